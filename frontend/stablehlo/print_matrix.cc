// The rows over matrices that StableHLO has, and attention by its formula. The others (lu, qr, eigh, svd) are calls of a compiler's own
// functions there.
#include "tenon/frontend/stablehlo/print.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/rules/attention_formula.h"

namespace tenon::hlo {
namespace {

// Zeros above the diagonal, where the operation leaves open what stands.
Shown lower_triangle(Printer& p, const Shown& x) {
  const auto axis = static_cast<int64_t>(x.type.shape.size()) - 2;
  const auto numbers = [&](int64_t along) {
    return p.one("stablehlo.iota", {}, {i64, x.type.shape}, "iota_dimension = " + std::to_string(along) + " : i64");
  };
  const Shown rows = numbers(axis), columns = numbers(axis + 1);
  return p.select(p.compare("GE", rows, columns), x, p.number(x.type, 0));
}

std::string flag_text(const char* name, bool value) { return std::string(name) + (value ? " = true" : " = false"); }

}  // namespace

bool print_matrix(Printer& p, const ir::Graph& g, const ir::Node& n, const Results& x, Results& r) {
  if (ir::def(n.op).attrs.data() == ir::schema::Attention) {  // as softmax and products
    std::vector<ir::Type> types;
    for (const Shown& v : x) types.push_back(v.type);
    r = p.graph(*ir::rules::attention_graph(n.op, g.attrs(n), types, g.symbols), x);
    return true;
  }
  if (n.op == ir::Op::cholesky) {
    r = {lower_triangle(p, p.one("stablehlo.cholesky", x, x[0].type, "lower = true"))};
    return true;
  }
  if (n.op != ir::Op::triangular_solve) return false;
  const ir::SolveTriangular s(g, n);
  r = {p.one("stablehlo.triangular_solve", x, g.type(n.first_result),
             "left_side = true, " + flag_text("lower", !s.upper) + ", " + flag_text("unit_diagonal", s.unit) +
                 ", transpose_a = #stablehlo<transpose NO_TRANSPOSE>")};
  return true;
}

}  // namespace tenon::hlo
