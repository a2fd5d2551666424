// Rows over matrices as loops: one parallel loop over the batch, and inside it the row's algorithm (ir/matrix). Rows whose loops are
// equally long for all matrices take many small ones at once.
//
//   parallel matrix { ... serial step { vector j { ... } } ... }
#include <limits>

#include "tenon/ir/matrix/eigh.h"
#include "tenon/ir/matrix/elimination.h"
#include "tenon/ir/matrix/kernel_machine.h"
#include "tenon/ir/matrix/reflections.h"
#include "tenon/ir/matrix/svd.h"

namespace tenon::ir::rules {
namespace {

using Machine = matrix::KernelMachine;

struct Matrices {
  DType type;
  std::vector<Dim> batch;
  Dim height, width;
};
Matrices matrices(const Lowering& c, const Node& node, uint32_t operand = 0) {
  const Type& t = c.operand_type(node, operand);
  const auto& dims = t.shape.dims();
  const size_t rank = dims.size();
  return {t.dtype, {dims.begin(), dims.end() - 2}, dims[rank - 2], dims[rank - 1]};
}
double epsilon(DType t) {
  return t == DType::f64 ? std::numeric_limits<double>::epsilon() : std::numeric_limits<float>::epsilon();
}

}  // namespace

void nest_cholesky(Lowering& c, const Node& node) {
  const Matrices a = matrices(c, node);
  Machine m(c, node, a.type, a.batch);
  const Machine::Reals l = m.kept(0);
  m.each_matrix({a.height}, [&] { matrix::cholesky(m, m.operand(0), l, m.extent(a.height)); });
}

void nest_triangular_solve(Lowering& c, const Node& node) {
  const Matrices b = matrices(c, node, 1);
  const SolveTriangular how(c.graph, node);
  Machine m(c, node, b.type, b.batch);
  const Machine::Reals x = m.kept(0);
  m.each_matrix({b.height, b.width}, [&] {
    matrix::solve_triangular(m, m.operand(0), m.operand(1), x, m.extent(b.height), m.extent(b.width), how.upper,
                             how.unit);
  });
}

void nest_lu(Lowering& c, const Node& node) {
  const Matrices a = matrices(c, node);
  Machine m(c, node, a.type, a.batch);
  const Machine::Reals lu = m.kept(0), rows = m.kept(1), odd = m.kept(2),
                       panel = m.temporary(Shape{matrix::block_rows, a.height});
  m.each_matrix({a.height, a.width}, [&] {
    matrix::Lu<Machine>{m, lu, panel, rows, odd, m.extent(a.height), m.extent(a.width)}.run(m.operand(0));
  });
}

void nest_qr(Lowering& c, const Node& node) {
  const Matrices a = matrices(c, node);
  Machine m(c, node, a.type, a.batch);
  const Shape& r = c.result_type(node, 1).shape;
  const Dim inner = r[r.rank() - 2], longest = c.builder.symbols().maximum(a.width, inner);
  const Machine::Reals work = m.temporary(Shape{a.height, a.width}), scales = m.temporary(Shape{longest}),
                       products = m.temporary(Shape{longest}), q = m.kept(0);
  m.each_matrix({a.height, a.width}, [&] {
    matrix::qr(m, m.operand(0), work, scales, products, q, m.result(1), m.extent(a.height), m.extent(a.width),
               m.extent(inner));
  });
}

void nest_eigh(Lowering& c, const Node& node) {
  const Matrices a = matrices(c, node);
  const bool wanted = Spectral(c.graph, node).vectors;
  Machine m(c, node, a.type, a.batch);
  const Shape row{a.height};
  matrix::Eigh<Machine> eigh{.m = m,
                             .values = m.result(0),
                             .beside = m.temporary(row),
                             .scales = m.temporary(row),
                             .products = m.temporary(row),
                             .cosines = m.temporary(row),
                             .sines = m.temporary(row),
                             .work = m.temporary(Shape{a.height, a.height}),
                             .vectors = m.result(1),
                             .n = {},
                             .epsilon = epsilon(a.type),
                             .wanted = wanted};
  m.open();
  eigh.n = m.extent(a.height);
  eigh.run(m.operand(0));
  m.close();
}

void nest_svd(Lowering& c, const Node& node) {
  const Matrices a = matrices(c, node);
  const bool wanted = Spectral(c.graph, node).vectors;
  Machine m(c, node, a.type, a.batch);
  Symbols& symbols = c.builder.symbols();
  const Dim longer = symbols.maximum(a.height, a.width), shorter = symbols.minimum(a.height, a.width);
  const Shape row{shorter}, square{shorter, shorter}, whole{longer, shorter};
  const Machine::Reals left = wanted ? m.temporary(whole) : Machine::Reals{};
  matrix::Svd<Machine> svd{.m = m,
                           .work = m.temporary(whole),
                           .square = m.temporary(square),
                           .lefts = wanted ? m.temporary(square) : Machine::Reals{},
                           .rights = wanted ? m.temporary(square) : Machine::Reals{},
                           .scales = m.temporary(row),
                           .right_scales = m.temporary(row),
                           .products = m.temporary(row),
                           .beside = m.temporary(row),
                           .cosines = m.temporary(row),
                           .sines = m.temporary(row),
                           .right_cosines = m.temporary(row),
                           .right_sines = m.temporary(row),
                           .long_scales = m.temporary(row),
                           .values = m.result(0),
                           .longer = {},
                           .shorter = {},
                           .epsilon = epsilon(a.type),
                           .wanted = wanted};
  m.open();
  const Scalar height = m.extent(a.height), width = m.extent(a.width);
  svd.longer = m.extent(longer), svd.shorter = m.extent(shorter);
  svd.run(matrix::take_scaled(m, m.operand(0), svd.work, height, width), left);
  if (wanted) matrix::give_sides(m, left, svd.rights, m.result(1), m.result(2), height, width);
  m.close();
}

}  // namespace tenon::ir::rules
