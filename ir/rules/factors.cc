// Which indices an op runs over, a function for each kind of row. What a movement reads by the index, and keeps in its place, follows
// from .axes. Extents that are free are not shared out, nor are those of 0.
#include <algorithm>
#include <numeric>

#include "tenon/ir/rules/attention.h"
#include "tenon/ir/rules/rules.h"
#include "tenon/ir/rules/windows.h"

namespace tenon::ir {

namespace rules {
namespace {

int64_t fixed(Dim d) { return d.is_number() ? d.number() : 0; }

struct Making {
  const Graph& g;
  const Node& n;
  Factors f;

  Making(const Graph& graph, const Node& node) : g(graph), n(node) {
    for (uint32_t k = 0; k < n.operand_count; ++k) f.operands.emplace_back(operand(k).size(), -1);
    for (uint32_t r = 0; r < n.result_count; ++r) f.results.emplace_back(result(r).size(), -1);
  }
  const Shape& operand(size_t k) const { return g.type(g.operands(n)[k]).shape; }
  const Shape& result(size_t r = 0) const { return g.type(g.result(n, static_cast<uint32_t>(r))).shape; }

  int index(Dim extent, std::optional<Op> joins = {}) {
    f.all.push_back({fixed(extent), joins});
    return static_cast<int>(f.all.size()) - 1;
  }
  // Dimension d of operand k runs along dimension e of the result.
  void pair(size_t k, size_t d, size_t e) {
    f.results[0][e] = f.results[0][e] >= 0 ? f.results[0][e] : index(result()[e]);
    f.operands[k][d] = f.results[0][e];
  }

  // Operands and results of one shape: alike along every dimension but one.
  void alike(size_t except = SIZE_MAX) {
    const Shape& shape = n.operand_count > 0 ? operand(0) : result();
    for (size_t d = 0; d < shape.size(); ++d) {
      if (d == except) continue;
      const int at = index(shape[d]);
      for (auto& dims : f.operands)
        if (dims.size() == shape.size()) dims[d] = at;
      for (auto& dims : f.results) dims[d] = at;
    }
  }
  // Of several operands, each is a result.
  void apart() {
    f.apart = true;
    for (size_t k = 0; k < f.results.size(); ++k)
      for (size_t d = 0; d < f.results[k].size(); ++d) f.operands[k][d] = f.results[k][d] = index(operand(k)[d]);
  }
  void behind(size_t in_operand, size_t in_result) {
    for (size_t d = in_operand; d < operand(0).size(); ++d) pair(0, d, d - in_operand + in_result);
  }

  // Runs of dimensions with one product: the first of either side is cut where the parts are runs of both.
  void reshape() {
    const Shape &a = operand(0), &b = result();
    size_t i = 0, j = 0;
    while (i < a.size() && j < b.size()) {
      if (a[i] == 1 || b[j] == 1) {
        (a[i] == 1 ? i : j)++;
        continue;
      }
      if (a[i] == b[j]) {
        pair(0, i++, j++);
        continue;
      }
      int64_t p = fixed(a[i]), q = fixed(b[j]);
      if (p == 0 || q == 0) return;
      const int at = index(std::gcd(p, q));
      f.operands[0][i++] = f.results[0][j++] = at;
      while (p != q) {
        const bool left = p < q;
        if (left ? i == a.size() : j == b.size()) return;
        const int64_t next = fixed(left ? a[i++] : b[j++]);
        if (next == 0) return;
        (left ? p : q) *= next;
      }
    }
  }
  void dot() {
    const DotGeneral dot(g, n);
    const std::vector<int64_t>*batch[] = {&dot.lhs_batch, &dot.rhs_batch},
          *contract[] = {&dot.lhs_contract, &dot.rhs_contract};
    for (size_t k = 0; k < 2; ++k)
      for (size_t b = 0; b < batch[k]->size(); ++b) pair(k, static_cast<size_t>((*batch[k])[b]), b);
    for (size_t c = 0; c < contract[0]->size(); ++c) {
      const auto l = static_cast<size_t>((*contract[0])[c]), r = static_cast<size_t>((*contract[1])[c]);
      f.operands[0][l] = f.operands[1][r] = index(operand(0)[l], Op::all_reduce_sum);
    }
    size_t e = batch[0]->size();
    for (size_t k = 0; k < 2; ++k)
      for (size_t d = 0; d < operand(k).size(); ++d)
        if (f.operands[k][d] < 0) pair(k, d, e++);
  }
  void convolution() {  // x[n, spatial..., c], kernel[spatial..., c, o] -> [n, spatial..., o]
    pair(0, 0, 0);
    if (Convolution(g, n).groups != 1) return;
    const size_t c = operand(0).size() - 1;
    pair(1, c, c);
    f.operands[0][c] = f.operands[1][c - 1] = index(operand(0)[c], Op::all_reduce_sum);
  }
  // Lanes, and windows as wide as x, of operand 0 and of what lies along it in operand k or the result.
  void windows(const Windows& w, std::vector<int>& along_windows) {
    for (size_t d = 0; d < operand(0).size(); ++d) {
      if (!w.apart(operand(0), d)) continue;
      const auto batch = static_cast<size_t>(w.x[d].batch);
      const int to = w.x[d].batch >= 0 ? w.along[batch] : w.x[d].window;
      if (to < 0) continue;
      int& at = along_windows[static_cast<size_t>(to)];
      at = index(operand(0)[d]);
      f.operands[0][d] = at;
      if (w.x[d].batch >= 0) f.operands[1][batch] = at;
    }
  }
  void gather() {
    const Windows w = windows_of(g, n);
    windows(w, f.results[0]);
    for (size_t j = 0; j < w.along.size(); ++j)
      if (w.along[j] >= 0 && f.operands[1][j] < 0) pair(1, j, static_cast<size_t>(w.along[j]));
    const std::optional<size_t> axis = w.only_axis(operand(0));
    if (axis && g.type(g.result(n)).dtype != DType::boolean)  // each element is found on one rank
      f.operands[0][*axis] = index(operand(0)[*axis], Op::all_reduce_sum);
  }
  // Updates that ranks have of one place are summed; where places are cut, a rank drops what is not its own.
  void scatter() {
    const Windows w = windows_of(g, n);
    windows(w, f.operands[2]);
    if (const std::optional<size_t> axis = w.only_axis(operand(0))) f.operands[0][*axis] = index(operand(0)[*axis]);
    f.results[0] = f.operands[0];
    if (Scatter(g, n).combine != "add") return;
    for (size_t j = 0; j < w.along.size(); ++j)
      if (w.along[j] >= 0 && f.operands[1][j] < 0)
        f.operands[1][j] = f.operands[2][static_cast<size_t>(w.along[j])] = index(operand(1)[j], Op::all_reduce_sum);
  }
  // The batch, and the heads: as many parts as k has, each a run of those of q. A mask or bias that stretches is taken whole.
  void attention(size_t q, size_t key) {  // weights that dropout counts stay together
    const size_t rank = operand(q).size(), shared = key < f.operands.size() ? operand(key).size() + 1 : rank;
    for (size_t d = 0; d + 2 < shared; ++d) {
      const int at = index(operand(q + 1)[d]);
      for (size_t k = 0; k < f.operands.size(); ++k)
        if (const Dim extent = operand(k)[d]; extent == operand(q)[d] || extent == operand(q + 1)[d])
          f.operands[k][d] = at;
      for (auto& dims : f.results) dims[d] = at;
    }
  }
  void matrix() {  // every matrix is whole
    for (size_t d = 0; d + 2 < operand(0).size(); ++d) {
      const int at = index(operand(0)[d]);
      for (auto& dims : f.operands) dims[d] = at;
      for (auto& dims : f.results) dims[d] = at;
    }
  }
};

// The collective that joins what ranks have of a reduction.
std::optional<Op> collective_of(Op combine) {
  switch (combine) {
    case Op::add: return Op::all_reduce_sum;
    case Op::mul: return Op::all_reduce_prod;
    case Op::max: return Op::all_reduce_max;
    case Op::min: return Op::all_reduce_min;
    default: return {};
  }
}

// What f makes of a node.
template <class F>
Factors making(const Graph& g, const Node& n, F f) {
  Making m(g, n);
  f(m);
  return std::move(m.f);
}

}  // namespace

Factors factors_alike(const Graph& g, const Node& n) {
  return making(g, n, [](Making& m) { m.alike(); });
}
Factors factors_apart(const Graph& g, const Node& n) {
  return making(g, n, [](Making& m) { m.apart(); });
}
Factors factors_cumulative(const Graph& g, const Node& n) {
  return making(g, n, [&](Making& m) { m.alike(Cumulative(g, n).axis); });
}
Factors factors_sort(const Graph& g, const Node& n) {
  return making(g, n, [&](Making& m) { m.alike(Sort(g, n).axis); });
}
// Counts on from rank to rank, where numbers are exact.
Factors factors_iota(const Graph& g, const Node& n) {
  return making(g, n, [&](Making& m) { m.alike(is_integer(Iota(g, n).dtype) ? SIZE_MAX : Iota(g, n).axis); });
}
Factors factors_reshape(const Graph& g, const Node& n) {
  return making(g, n, [](Making& m) { m.reshape(); });
}
Factors factors_dot(const Graph& g, const Node& n) {
  return making(g, n, [](Making& m) { m.dot(); });
}
Factors factors_convolution(const Graph& g, const Node& n) {
  return making(g, n, [](Making& m) { m.convolution(); });
}
Factors factors_gather(const Graph& g, const Node& n) {
  return making(g, n, [](Making& m) { m.gather(); });
}
Factors factors_scatter(const Graph& g, const Node& n) {
  return making(g, n, [](Making& m) { m.scatter(); });
}
Factors factors_attention(const Graph& g, const Node& n) {
  return making(g, n, [&](Making& m) {
    const AttentionOperands at(n.op, Attention(g, n));
    m.attention(at.q, at.key);
  });
}
Factors factors_matrix(const Graph& g, const Node& n) {
  return making(g, n, [](Making& m) { m.matrix(); });
}

Factors factors_of_axes(const Graph& g, const Node& n) {
  const AxisMap map = def(n.op).axes(g, n);
  return making(g, n, [&](Making& m) {
    for (size_t e = 0; e < map.moved.size(); ++e)
      if (!map.moved[e]) m.f.results[0][e] = m.index(m.result()[e]);
    for (size_t k = 0; k < n.operand_count; ++k)
      for (size_t d = 0; d < m.operand(k).size(); ++d) {
        const auto e = static_cast<size_t>(map.result_axis[d]);
        if (!map.moved[e] && m.operand(k)[d] == m.result()[e]) m.pair(k, d, e);
      }
  });
}

// Along what the update has whole.
Factors factors_dynamic_update_slice(const Graph& g, const Node& n) {
  return making(g, n, [](Making& m) {
    for (size_t d = 0; d < m.operand(0).size(); ++d)
      if (m.operand(1)[d] == m.operand(0)[d]) m.pair(0, d, d);
    m.f.operands[1] = m.f.operands[0];
  });
}

Factors factors_reduce(const Graph& g, const Node& n) {
  return making(g, n, [&](Making& m) {
    const std::vector<int64_t>& axes = Reduce(g, n).axes;
    const std::optional<Op> joins = collective_of(def(n.op).combine);
    size_t e = 0;
    for (size_t d = 0; d < m.operand(0).size(); ++d) {
      if (std::find(axes.begin(), axes.end(), static_cast<int64_t>(d)) == axes.end())
        m.pair(0, d, e++);
      else if (joins)
        m.f.operands[0][d] = m.index(m.operand(0)[d], joins);
    }
  });
}

// A dimension in front, on one side, is the ranks'.
Factors factors_all_gather(const Graph& g, const Node& n) {
  return making(g, n, [](Making& m) { m.behind(0, 1); });
}
Factors factors_reduce_scatter(const Graph& g, const Node& n) {
  return making(g, n, [](Making& m) { m.behind(1, 0); });
}
Factors factors_all_to_all(const Graph& g, const Node& n) {
  return making(g, n, [](Making& m) { m.alike(0); });
}

}  // namespace rules

Factors factors_of(const Graph& graph, const Node& node) {
  if (const FactorsFn rule = def(node.op).factors) return rule(graph, node);
  return rules::making(graph, node, [](rules::Making&) {});
}

}  // namespace tenon::ir
