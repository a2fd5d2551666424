// Reference meaning of the rows over matrices: their algorithms (ir/matrix) on numbers, one matrix of the batch after the other. What
// they share with kernels is the order of operations, so that bits can be compared; that the results are right is held against
// residuals and other algorithms in tests/linalg_*_test.cc.
#include <algorithm>
#include <limits>

#include "tenon/ir/matrix/direct_machine.h"
#include "tenon/ir/matrix/eigh.h"
#include "tenon/ir/matrix/elimination.h"
#include "tenon/ir/matrix/reflections.h"
#include "tenon/ir/matrix/svd.h"
#include "tenon/ir/rules/eval.h"

namespace tenon::ir::rules {
namespace {

// One tensor of matrices, matrix by matrix.
struct Matrices {
  int64_t height = 1, width = 1, count = 1;
  Matrices(const Shape& shape, size_t axes) {
    const size_t behind = shape.size() - axes;
    for (size_t d = 0; d < behind; ++d) count *= shape[d].number();
    if (axes == 2) height = shape[behind].number();
    if (axes >= 1) width = shape[shape.size() - 1].number();
  }
};

template <class T>
struct Run {
  using Machine = matrix::DirectMachine<T>;
  using Reals = typename Machine::Reals;
  const EvalArgs& args;
  std::vector<Array>& results;
  Machine m = {};
  std::vector<std::vector<T>> memory = {};
  int64_t number = 0;  // of the matrix

  // Operands are read only; they have no type of their own for that.
  Reals at(const Array& a, size_t axes) const {
    const Matrices whole(a.type.shape, axes);
    return {const_cast<T*>(a.as<T>()) + number * whole.height * whole.width, whole.width};
  }
  Reals operand(size_t k) const { return at(*args.operands[k], 2); }
  Reals result(size_t r, size_t axes = 2) const { return at(results[r], axes); }
  typename Machine::Indices integers(size_t r, int64_t each) const {
    return {results[r].as<int64_t>() + number * each};
  }
  Reals temporary(int64_t height, int64_t width) {
    memory.emplace_back(static_cast<size_t>(height * width));
    return {memory.back().data(), width};
  }
};

// body(run, height, width) for every matrix of operand `of`.
template <class Body>
std::vector<Array> matrix_by_matrix(const EvalArgs& args, Body body, size_t of = 0) {
  std::vector<Array> results;
  for (const Type& t : args.results) results.emplace_back(t);
  const Matrices all(args.operands[of]->type.shape, 2);
  const auto in = [&](auto sample) {
    Run<decltype(sample)> run{args, results};
    for (; run.number < all.count; ++run.number, run.memory.clear()) body(run, all.height, all.width);
  };
  if (args.operands[of]->type.dtype == DType::f64)
    in(double{});
  else
    in(float{});
  return results;
}
template <class T>
double epsilon(const Run<T>&) {
  return std::numeric_limits<T>::epsilon();
}

}  // namespace

std::vector<Array> eval_cholesky(const EvalArgs& args) {
  return matrix_by_matrix(
      args, [](auto& run, int64_t n, int64_t) { matrix::cholesky(run.m, run.operand(0), run.result(0), n); });
}

std::vector<Array> eval_triangular_solve(const EvalArgs& args) {
  const SolveTriangular how(args.attrs);
  const auto solve = [&](auto& run, int64_t n, int64_t columns) {
    matrix::solve_triangular(run.m, run.operand(0), run.operand(1), run.result(0), n, columns, how.upper, how.unit);
  };
  return matrix_by_matrix(args, solve, 1);
}

std::vector<Array> eval_lu(const EvalArgs& args) {
  return matrix_by_matrix(args, [](auto& run, int64_t height, int64_t width) {
    using Machine = std::remove_cvref_t<decltype(run.m)>;
    matrix::Lu<Machine>{
        run.m,  run.result(0), run.temporary(matrix::block_rows, height), run.integers(1, height), run.integers(2, 1),
        height, width}
        .run(run.operand(0));
  });
}

std::vector<Array> eval_qr(const EvalArgs& args) {
  const bool complete = Qr(args.attrs).complete;
  return matrix_by_matrix(args, [&](auto& run, int64_t height, int64_t width) {
    const int64_t inner = complete ? height : std::min(height, width), longest = std::max(width, inner);
    const auto work = run.temporary(height, width), scales = run.temporary(1, longest);
    matrix::qr(run.m, run.operand(0), work, scales, run.temporary(1, longest), run.result(0), run.result(1), height,
               width, inner);
  });
}

std::vector<Array> eval_eigh(const EvalArgs& args) {
  const bool wanted = Spectral(args.attrs).vectors;
  return matrix_by_matrix(args, [&](auto& run, int64_t n, int64_t) {
    using Machine = std::remove_cvref_t<decltype(run.m)>;
    matrix::Eigh<Machine>{.m = run.m,
                          .values = run.result(0, 1),
                          .beside = run.temporary(1, n),
                          .scales = run.temporary(1, n),
                          .products = run.temporary(1, n),
                          .cosines = run.temporary(1, n),
                          .sines = run.temporary(1, n),
                          .work = run.temporary(n, n),
                          .vectors = wanted ? run.result(1) : typename Machine::Reals{},
                          .n = n,
                          .epsilon = epsilon(run),
                          .wanted = wanted}
        .run(run.operand(0));
  });
}

std::vector<Array> eval_svd(const EvalArgs& args) {
  const bool wanted = Spectral(args.attrs).vectors;
  return matrix_by_matrix(args, [&](auto& run, int64_t height, int64_t width) {
    using Machine = std::remove_cvref_t<decltype(run.m)>;
    const int64_t longer = std::max(height, width), shorter = std::min(height, width);
    const auto left = run.temporary(longer, shorter);
    const auto row = [&] { return run.temporary(1, shorter); };
    const auto square = [&] { return run.temporary(shorter, shorter); };
    matrix::Svd<Machine> svd{.m = run.m,
                             .work = run.temporary(longer, shorter),
                             .square = square(),
                             .lefts = square(),
                             .rights = square(),
                             .scales = row(),
                             .right_scales = row(),
                             .products = row(),
                             .beside = row(),
                             .cosines = row(),
                             .sines = row(),
                             .right_cosines = row(),
                             .right_sines = row(),
                             .long_scales = row(),
                             .values = run.result(0, 1),
                             .longer = longer,
                             .shorter = shorter,
                             .epsilon = epsilon(run),
                             .wanted = wanted};
    svd.run(matrix::take_scaled(run.m, run.operand(0), svd.work, height, width), left);
    if (wanted) matrix::give_sides(run.m, left, svd.rights, run.result(1), run.result(2), height, width);
  });
}

}  // namespace tenon::ir::rules
