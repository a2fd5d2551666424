// Attention that is written out: a contraction of a softmax of a contraction.
//   dot_general(e * broadcast(1 / reduce_sum(e)), v)  with  e = exp(x - broadcast(reduce_max(x))),  x made of a dot_general
#include "tenon/frontend/report/advice.h"

#include <algorithm>

#include "tenon/frontend/report/lines.h"

namespace tenon {
namespace {

using ir::Op;
using ir::ValueId;

struct Finder {
  const ir::Graph& g;

  const ir::Node* made_by(ValueId v) const { return g.is_input(v) ? nullptr : &g.node(g.producer(v)); }
  // What v is, moved or converted.
  ValueId origin(ValueId v) const {
    for (const ir::Node* n = made_by(v);
         n && (n->op == Op::cast || n->op == Op::reshape || n->op == Op::transpose || n->op == Op::broadcast);
         n = made_by(v))
      v = g.operands(*n)[0];
    return v;
  }
  // An operand of n made by `op`, through what moves it.
  const ir::Node* among(const ir::Node& n, Op op) const {
    for (ValueId v : g.operands(n))
      if (const ir::Node* m = made_by(origin(v)); m && m->op == op) return m;
    return nullptr;
  }
  // e where v is e times, or divided by, something made of the sum of e.
  const ir::Node* exponential(ValueId v) const {
    const ir::Node* n = made_by(origin(v));
    if (!n || (n->op != Op::mul && n->op != Op::div)) return nullptr;
    const ir::Node* e = among(*n, Op::exp);
    const ir::Node* by = among(*n, Op::reduce_sum);
    if (const ir::Node* r = by ? nullptr : among(*n, Op::div)) by = among(*r, Op::reduce_sum);
    return e && by && made_by(origin(g.operands(*by)[0])) == e ? e : nullptr;
  }
  // Whether v is a product under elementwise ops.
  bool is_product(ValueId v) const {
    std::vector<ValueId> open{v};
    for (size_t seen = 0; seen < open.size() && seen < 32; ++seen) {
      const ir::Node* n = made_by(origin(open[seen]));
      if (!n) continue;
      if (n->op == Op::dot_general) return true;
      if (ir::def(n->op).family == ir::Family::elementwise)
        for (ValueId operand : g.operands(*n)) open.push_back(operand);
    }
    return false;
  }
  bool is_attention(const ir::Node& n) const {
    if (n.op != Op::dot_general) return false;
    const ir::Node* e = exponential(g.operands(n)[0]);
    const ir::Node* shifted = e ? made_by(origin(g.operands(*e)[0])) : nullptr;
    return shifted && shifted->op == Op::sub && among(*shifted, Op::reduce_max) && is_product(g.operands(*shifted)[0]);
  }
};

}  // namespace

std::vector<std::string> advice(const ir::Graph& graph) {
  const Finder finder{graph};
  std::vector<std::string> lines;
  for (const ir::Node& n : graph.nodes())
    if (finder.is_attention(n))
      lines.push_back("softmax between two products (" + file_line(graph.location(n)) +
                      "): tn::nn::attention computes it without a matrix of scores in memory\n");
  return lines;
}

}  // namespace tenon
