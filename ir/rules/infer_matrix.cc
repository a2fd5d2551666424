// Type rules of the rows over matrices, which stand in the last two axes.
#include "tenon/ir/rules/infer.h"

namespace tenon::ir::rules {
namespace {

struct Matrices {
  Shape batch;
  Dim height = 0, width = 0;
};

Matrices matrices(const InferArgs& args, size_t k = 0) {
  const Shape& shape = args.operands[k].shape;
  const int rank = shape.rank();
  TENON_REQUIRE(rank >= 2,
                operand_name(k) + " has " + number(rank) + " axes; a matrix has two, behind those of the batch");
  Matrices m{shape, shape[rank - 2], shape[rank - 1]};
  m.batch.erase(static_cast<size_t>(rank - 1));
  m.batch.erase(static_cast<size_t>(rank - 2));
  return m;
}
Matrices square(const InferArgs& args) {
  const Matrices m = matrices(args);
  check_equal(args, m.height, m.width,
              [&] { return "the matrix is not square: " + to_string(args.operands[0], &args.symbols); });
  return m;
}
Type with(const InferArgs& args, Shape shape, std::initializer_list<Dim> extents) {
  for (Dim d : extents) shape.push_back(d);
  return {args.operands[0].dtype, std::move(shape)};
}

}  // namespace

std::vector<Type> infer_cholesky(const InferArgs& args) {
  const Matrices a = square(args);
  return {with(args, a.batch, {a.height, a.height})};
}

std::vector<Type> infer_triangular_solve(const InferArgs& args) {
  const Matrices a = square(args), b = matrices(args, 1);
  TENON_REQUIRE(args.operands[0].dtype == args.operands[1].dtype, "the dtypes differ; cast one of them");
  TENON_REQUIRE(a.batch.size() == b.batch.size(), "the batches differ in rank");
  const auto differ = [&] {
    return to_string(args.operands[0], &args.symbols) + " and " + to_string(args.operands[1], &args.symbols) +
           " do not fit: batches are equal, and b has a row for each of a's";
  };
  for (size_t d = 0; d < a.batch.size(); ++d) check_equal(args, a.batch[d], b.batch[d], differ);
  check_equal(args, a.height, b.height, differ);
  return {args.operands[1]};
}

std::vector<Type> infer_lu(const InferArgs& args) {
  const Matrices a = matrices(args);
  Type rows{DType::i64, a.batch}, odd{DType::i64, a.batch};
  rows.shape.push_back(a.height);
  return {args.operands[0], rows, odd};
}

std::vector<Type> infer_qr(const InferArgs& args) {
  const Matrices a = matrices(args);
  const Dim inner = Qr(args.attrs).complete ? a.height : args.symbols.minimum(a.height, a.width);
  return {with(args, a.batch, {a.height, inner}), with(args, a.batch, {inner, a.width})};
}

std::vector<Type> infer_eigh(const InferArgs& args) {
  const Matrices a = square(args);
  std::vector<Type> results = {with(args, a.batch, {a.height})};
  if (Spectral(args.attrs).vectors) results.push_back(with(args, a.batch, {a.height, a.height}));
  return results;
}

std::vector<Type> infer_svd(const InferArgs& args) {
  const Matrices a = matrices(args);
  const Dim inner = args.symbols.minimum(a.height, a.width);
  std::vector<Type> results = {with(args, a.batch, {inner})};
  if (!Spectral(args.attrs).vectors) return results;
  results.push_back(with(args, a.batch, {a.height, inner}));
  results.push_back(with(args, a.batch, {inner, a.width}));
  return results;
}

}  // namespace tenon::ir::rules
