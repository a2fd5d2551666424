// Branches and loops. What a region takes from outside is named there directly, so only carries are arguments.
#include "tenon/frontend/stablehlo/print.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/build.h"
#include "tenon/ir/graph/loops.h"
#include "tenon/ir/rules/replay.h"

namespace tenon::hlo {
namespace {

using ir::Op;

std::vector<ir::Type> types_of(std::span<const Shown> values) {
  std::vector<ir::Type> types;
  for (const Shown& v : values) types.push_back(v.type);
  return types;
}

Results joined(std::span<const Shown> a, std::span<const Shown> b) {
  Results all(a.begin(), a.end());
  all.insert(all.end(), b.begin(), b.end());
  return all;
}

std::vector<ir::Type> results_of(const ir::Graph& g, const ir::Node& n) {
  std::vector<ir::Type> types;
  for (uint32_t i = 0; i < n.result_count; ++i) types.push_back(g.type(g.result(n, i)));
  return types;
}

Results branch(Printer& p, const ir::Graph& g, const ir::Node& n, const Results& x) {
  const ir::Cond c(g, n);
  const Results taken(x.begin() + 1, x.end());
  return p.with_regions("stablehlo.if", {x[0]}, results_of(g, n), "", [&] {
    p.region({}, [&](const Results&) { return p.graph(*c.then, taken); });
    p.next_region();
    p.region({}, [&](const Results&) { return p.graph(*c.otherwise, taken); });
  });
}

Results loop(Printer& p, const ir::Graph& g, const ir::Node& n, const Results& x) {
  const ir::Loop loop = ir::loop_of(g, n);
  const std::span<const Shown> all = x, constants = loop.constants_of(all);
  const Results carries(all.begin() + static_cast<std::ptrdiff_t>(loop.constants), all.end());
  const std::vector<ir::Type> types = types_of(carries);
  return p.with_regions("stablehlo.while", carries, types, "", [&] {
    p.region(types, [&](const Results& a) { return p.graph(*loop.condition, joined(constants, a)); });
    p.next_region();
    p.region(types, [&](const Results& a) { return p.graph(*loop.body, joined(constants, a)); });
  });
}

// A while over the number of the iteration, the carries and what is stacked; slices are cut out of what is scanned.
Results scan(Printer& p, const ir::Graph& g, const ir::Node& n, const Results& x) {
  const ir::Loop loop = ir::loop_of(g, n);
  const int64_t length = numbers_of({loop.length})[0];
  const std::span<const Shown> all = x, constants = loop.constants_of(all), scanned = loop.scanned_of(all);
  const ir::Type index{i64, {}};
  const std::vector<ir::Type> results = results_of(g, n);
  Results carries = {p.repeated(index, "0")};
  for (const Shown& v : loop.carries_of(all)) carries.push_back(v);
  for (size_t i = loop.carries; i < results.size(); ++i)
    carries.push_back(results[i].dtype == boolean ? p.repeated(results[i], "false") : p.number(results[i], 0));
  if (length == 0) return Results(carries.begin() + 1, carries.end());
  const Shown zero = carries[0], one = p.repeated(index, "1"), end = p.repeated(index, std::to_string(length)),
              last = p.repeated(index, std::to_string(length - 1));
  const std::vector<ir::Type> types = types_of(carries);
  const auto starts = [&](const Shown& at, int rank) {
    Results all(static_cast<size_t>(rank), zero);
    all[0] = at;
    return all;
  };
  const auto body = [&](const Results& a) {
    const Shown at = loop.reverse ? p.binary("stablehlo.subtract", last, a[0]) : a[0];
    Results inputs = joined(constants, std::span(a).subspan(1, loop.carries));
    for (const Shown& v : scanned) {
      ir::Type row = v.type, slice = v.type;
      slice.shape[0] = 1;
      row.shape.erase(0);
      const Shown cut = p.one("stablehlo.dynamic_slice", joined(std::span(&v, 1), starts(at, v.type.shape.rank())),
                              slice, "slice_sizes = " + array_text(numbers_of(slice.shape.dims())));
      inputs.push_back(p.reshaped(cut, row.shape));
    }
    const Results made = p.graph(*loop.body, inputs);
    Results next = {p.binary("stablehlo.add", a[0], one)};
    next.insert(next.end(), made.begin(), made.begin() + static_cast<std::ptrdiff_t>(loop.carries));
    for (size_t i = loop.carries; i < made.size(); ++i) {
      Shape row = made[i].type.shape;
      row.insert(0, Dim(1));
      const Results parts = {a[1 + i], p.reshaped(made[i], row)};
      next.push_back(p.one("stablehlo.dynamic_update_slice", joined(parts, starts(at, row.rank())), a[1 + i].type));
    }
    return next;
  };
  Results given = p.with_regions("stablehlo.while", carries, types, "", [&] {
    p.region(types, [&](const Results& a) { return Results{p.compare("LT", a[0], end)}; });
    p.next_region();
    p.region(types, body);
  });
  given.erase(given.begin());
  return given;
}

// The loops that it is made of, as a graph.
Results replay(Printer& p, const ir::Graph& g, const ir::Node& n, const Results& x) {
  ir::GraphBuilder b("replay", g.symbols);
  std::vector<ir::Value> operands;
  for (const Shown& v : x) operands.push_back({&b, b.input(v.type)});
  std::vector<ir::ValueId> outputs;
  for (const ir::Value& v : ir::rules::replay_loops(b, g.attrs(n), operands)) outputs.push_back(v.id);
  return p.graph(*b.finish(outputs), x);
}

}  // namespace

bool print_control(Printer& p, const ir::Graph& g, const ir::Node& n, const Results& x, Results& r) {
  switch (n.op) {
    case Op::cond: r = branch(p, g, n, x); return true;
    case Op::while_loop: r = loop(p, g, n, x); return true;
    case Op::scan: r = scan(p, g, n, x); return true;
    case Op::replay: r = replay(p, g, n, x); return true;
    case Op::barrier: r = p.several("stablehlo.optimization_barrier", x, types_of(x)); return true;
    case Op::named: r = x; return true;
    case Op::check:
    case Op::print: return true;
    default: return false;
  }
}

}  // namespace tenon::hlo
