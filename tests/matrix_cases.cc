// Cases of the rows over matrices: batches, every size around the blocks of rows that are eliminated together, long and wide ones, empty
// ones, singular ones, and what is not finite.
#include <algorithm>

#include "tenon/ir/graph/attributes.h"
#include "tenon/tests/case_builder.h"

namespace tenon::testing {

using namespace ir;

namespace {

struct Inputs {
  CaseBuilder& c;
  DType t;
  Random random;
  template <class F>
  Value filled(std::vector<int64_t> shape, F element) {
    Array a(type_of(t, std::move(shape)));
    for (int64_t i = 0; i < a.numel(); ++i)
      if (t == DType::f64)
        a.as<double>()[i] = element(i);
      else
        a.as<float>()[i] = static_cast<float>(element(i));
    return c.input(std::move(a));
  }
  Value drawn(std::vector<int64_t> shape) {
    return c.input(random_array(type_of(t, std::move(shape)), random, Domain::unit));
  }
  Value special(std::vector<int64_t> shape) {
    return c.input(special_array(type_of(t, std::move(shape)), random, Domain::any, 3));
  }
  // Symmetric with a heavy diagonal.
  Value definite(int64_t batch, int64_t n) {
    return filled({batch, n, n}, [&](int64_t i) {
      const int64_t row = i / n % n, column = i % n;
      return row == column ? 4.0 + static_cast<double>(n) + static_cast<double>(row % 3)
                           : 1.0 / static_cast<double>(1 + row + column);
    });
  }
};

void give(Inputs& in, Op op, std::vector<Value> operands, Attrs attrs = {}) {
  in.c.outputs(apply(in.c.builder, op, operands, std::move(attrs)));
}

void square_cases(Inputs& in, Op op, const Attrs& attrs = {}) {
  for (int64_t n : {0, 3, 19}) give(in, op, {in.definite(n == 3 ? 5 : 1, n)}, attrs);
  give(in, op, {in.definite(0, 3)}, attrs);
  give(in, op, {in.drawn({2, 2, 5, 5})}, attrs);
  give(in, op, {in.filled({9, 9}, [](int64_t) { return 0.0; })}, attrs);
  give(in, op, {in.filled({6, 6}, [](int64_t i) { return static_cast<double>(i / 6 * (i % 6)); })},
       attrs);  // of rank 1
  give(in, op, {in.special({4, 4})}, attrs);
}

// Enough small ones for the lanes of a vector, and some that fill none; the largest that are lanes.
void many_cases(Inputs& in, Op op, const Attrs& attrs = {}) {
  give(in, op, {in.definite(19, 5)}, attrs);
  give(in, op, {in.special({2, 11, 4, 4})}, attrs);
  give(in, op, {in.drawn({8, 3, 3})}, attrs);
  give(in, op, {in.definite(16, 32)}, attrs);
  if (op == Op::cholesky) return;
  give(in, op, {in.drawn({17, 3, 7})}, attrs);
  give(in, op, {in.drawn({33, 6, 2})}, attrs);
}

void any_cases(Inputs& in, Op op, const Attrs& attrs = {}) {
  square_cases(in, op, attrs);
  for (auto [m, n] : {std::pair<int64_t, int64_t>{19, 8}, {3, 12}, {0, 3}}) give(in, op, {in.drawn({2, m, n})}, attrs);
}

void triangular_cases(Inputs& in) {
  for (bool upper : {false, true})
    for (bool unit : {false, true}) {
      const Attrs attrs = SolveTriangularAttrs{.upper = upper, .unit = unit};
      for (int64_t n : {0, 3, 19})
        for (int64_t columns : {1, 5})
          give(in, Op::triangular_solve, {in.definite(2, n), in.drawn({2, n, columns})}, attrs);
      give(in, Op::triangular_solve, {in.special({4, 4}), in.drawn({4, 3})}, attrs);
      give(in, Op::triangular_solve, {in.definite(19, 5), in.drawn({19, 5, 2})}, attrs);
      give(in, Op::triangular_solve, {in.special({3, 7, 4, 4}), in.special({3, 7, 4, 1})}, attrs);
    }
}

void add(Op op, Inputs& in) {
  switch (op) {
    case Op::cholesky: many_cases(in, op); return square_cases(in, op);
    case Op::lu: many_cases(in, op); return any_cases(in, op);
    case Op::qr:
      for (const bool complete : {false, true}) {
        many_cases(in, op, QrAttrs{.complete = complete});
        any_cases(in, op, QrAttrs{.complete = complete});
      }
      return;
    case Op::eigh:
      square_cases(in, op, SpectralAttrs{.vectors = false});
      return square_cases(in, op, SpectralAttrs{.vectors = true});
    case Op::svd:
      any_cases(in, op, SpectralAttrs{.vectors = false});
      return any_cases(in, op, SpectralAttrs{.vectors = true});
    case Op::triangular_solve: return triangular_cases(in);
    default: throw InternalError(std::string(def(op).name) + " has no cases");
  }
}

}  // namespace

void matrix_cases(Op op, DType t, std::vector<Case>& cases) {
  CaseBuilder c(std::string(def(op).name) + " " + std::string(name(t)));
  Inputs in{c, t, Random(static_cast<uint64_t>(op) * 64 + static_cast<uint64_t>(t))};
  add(op, in);
  cases.push_back(c.finish());
}

}  // namespace tenon::testing
