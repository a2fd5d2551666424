// Branches and loops. A branch on what is known is the body that it takes; a loop of a known number of rounds whose condition never
// changes is a scan, another a while_loop, which stacks nothing.
#include "tenon/frontend/onnx/families.h"
#include "tenon/frontend/transform/control.h"

namespace tenon::onnx {
namespace {

using Tensors = std::vector<Tensor>;

Tensors traced_all(const Importer& importer, const Results& results) {
  Tensors list;
  for (const Item& i : results) list.push_back(importer.traced(i));
  return list;
}

Results items_of(const Tensors& list) { return {list.begin(), list.end()}; }

// What a body gets is made of all that the node gets.
std::vector<Item> made_of(const Call& c, std::vector<Item> items) {
  for (Item& i : items)
    for (const Item& from : c.in) i.arguments |= from.arguments;
  return items;
}

Item scalar_of(Tensor t) { return t.ndim() == 0 ? t : t.reshape({}); }

}  // namespace

Results import_if(Call& c) {
  c.expects(c.has(0) && c.dtype(0) == boolean, "its condition is a bool");
  const GraphText &then = c.graph("then_branch"), &otherwise = c.graph("else_branch");
  Importer& importer = c.scope.importer;
  if (c.known(0)) return importer.body(c.scope, c.numbers(0).at(0) != 0 ? then : otherwise, {});
  const uint64_t arguments = c.in[0].arguments;
  if (arguments != 0 && (arguments & ~importer.readable) == 0) throw Wanted{arguments};
  const auto run = [&](const GraphText& graph) { return traced_all(importer, importer.body(c.scope, graph, {})); };
  const Tensor condition = scalar_of(c.tensor(0)).tensor;
  return items_of(cond(condition, [&] { return run(then); }, [&] { return run(otherwise); }));
}

namespace {

struct Loop {
  Call& c;
  const GraphText& graph;
  size_t carried;  // values that go round
  size_t stacked;  // results of each round that are stacked

  explicit Loop(Call& c) : c(c), graph(c.graph("body")), carried(c.in.size() < 2 ? 0 : c.in.size() - 2), stacked(0) {
    c.expects(c.in.size() >= 2, "it has a trip count and a condition, be they left out");
    c.expects(graph.outputs.size() >= carried + 1 && graph.inputs.size() >= 2,
              "its body has a condition and the values that go round");
    stacked = graph.outputs.size() - carried - 1;
  }

  Results round(const Tensor& i, const Item& going, const Tensors& values) const {
    std::vector<Item> arguments = {Item(i), going};
    for (const Tensor& v : values) arguments.push_back(v);
    return c.scope.importer.body(c.scope, graph, made_of(c, std::move(arguments)));
  }

  Tensors first() const {
    Tensors values;
    for (size_t i = 0; i < carried; ++i) values.push_back(c.tensor(i + 2));
    return values;
  }

  // Rounds 0 to count - 1, where the body's condition stays true; nothing where it may not.
  std::optional<Results> counted(Extent count) const {
    bool always = true;
    const auto step = [&](const Tensors& values, const Tensor& i) {
      const Results results = round(i, tenon::tensor(true), values);
      always &= results[0].stored() && results[0].tensor.numel() == 1 && results[0].tensor.to_vector<double>()[0] != 0;
      Tensors all = traced_all(c.scope.importer, results);
      const auto split = all.begin() + 1 + static_cast<std::ptrdiff_t>(carried);
      return std::pair(Tensors(all.begin() + 1, split), Tensors(split, all.end()));
    };
    const Tensor numbers = arange(0, count);
    auto [last, rows] = scan(step, first(), numbers, {.length = count});
    if (!always) return std::nullopt;
    Results results = items_of(last);
    for (const Tensor& t : rows) results.push_back(t);
    return results;
  }

  Results open() const {
    c.expects(stacked == 0, "it stacks results of a number of rounds that the program decides");
    struct State {
      Tensor i, going;
      Tensors values;
    };
    const Tensor limit = c.has(0) ? scalar_of(c.tensor(0)).tensor.astype(i64) : Tensor();
    const State start{tenon::tensor(int64_t{0}), c.has(1) ? scalar_of(c.tensor(1)).tensor : tenon::tensor(true),
                      first()};
    const State end =
        while_loop([&](const State& s) { return limit.defined() ? logical_and(s.going, s.i < limit) : s.going; },
                   [&](const State& s) {
                     const Tensors all = traced_all(c.scope.importer, round(s.i, s.going, s.values));
                     return State{s.i + 1, scalar_of(all[0]).tensor, Tensors(all.begin() + 1, all.end())};
                   },
                   start);
    return items_of(end.values);
  }

  // Rounds written out one after the other, everything in them being as known as it can be.
  Results unrolled(int64_t count) const {
    Results values(c.in.begin() + 2, c.in.end());
    std::vector<Tensors> rows(stacked);
    Item going = c.has(1) ? c.in[1] : Item(tenon::tensor(true));
    for (int64_t i = 0; i < count; ++i) {
      if (going.stored() && going.tensor.to_vector<double>().at(0) == 0) break;
      if (!going.stored() && going.arguments != 0) throw Wanted{going.arguments};
      c.expects(going.stored(), "its condition is computed");
      std::vector<Item> arguments = {Item(tenon::tensor(i)), going};
      arguments.insert(arguments.end(), values.begin(), values.end());
      const Results results = c.scope.importer.body(c.scope, graph, arguments);
      going = results[0];
      for (size_t k = 0; k < carried; ++k) values[k] = results[k + 1];
      for (size_t k = 0; k < stacked; ++k) rows[k].push_back(c.scope.importer.traced(results[carried + 1 + k]));
    }
    for (const Tensors& r : rows) {
      c.expects(!r.empty(), "it stacks the results of no round");
      values.push_back(stack(r));
    }
    return values;
  }
};

constexpr int64_t most_unrolled = 64;

}  // namespace

Results import_loop(Call& c) {
  const Loop loop(c);
  const bool begins = !c.has(1) || (c.known(1) && c.numbers(1).at(0) != 0);
  if (c.has(1) && c.known(1) && !begins && loop.stacked == 0) return Results(c.in.begin() + 2, c.in.end());
  const bool number = c.has(0) && (c.known(0) || c.in[0].counted());
  std::string reason;
  if (begins && number) try {
      if (auto results = loop.counted(max(c.extents(0).at(0), 0))) return *results;
    } catch (const Error& e) {
      reason = e.message();
    }
  const bool few = c.has(0) && c.known(0) && c.integer(0) <= most_unrolled;
  if (few && (loop.stacked > 0 || !reason.empty())) try {
      return loop.unrolled(std::max<int64_t>(c.integer(0), 0));
    } catch (const Error& e) {
      if (loop.stacked > 0) throw;
      reason = e.message();
    }
  if (loop.stacked > 0)
    for (size_t i : {0, 1})
      if (c.has(i) && !c.known(i) && c.in[i].arguments != 0) throw Wanted{c.in[i].arguments};
  if (!reason.empty()) c.fail(reason);
  return loop.open();
}

// States and rows of scanned inputs; opset 8 has a batch in front and lengths as its first input.
Results import_scan(Call& c) {
  const GraphText& graph = c.graph("body");
  const bool batched = c.opset < 9;
  const size_t lead = batched ? 1 : 0;
  const auto scanned = c.required("num_scan_inputs");
  c.expects(scanned >= 1 && static_cast<size_t>(scanned) + lead <= c.in.size(),
            "it has as many scanned inputs as it says");
  c.expects(!batched || !c.has(0), "lengths of a batch's rows are not known");
  const size_t states = c.in.size() - lead - static_cast<size_t>(scanned);
  const auto outputs = graph.outputs.size();
  c.expects(outputs >= states, "its body gives the states and what is stacked");
  const Axes turned_in =
      c.integers(batched ? "directions" : "scan_input_directions", Axes(static_cast<size_t>(scanned), 0));
  const Axes turned_out = c.integers("scan_output_directions", Axes(outputs - states, 0));
  const Axes axes_in = c.integers("scan_input_axes", Axes(static_cast<size_t>(scanned), 0));
  const Axes axes_out = c.integers("scan_output_axes", Axes(outputs - states, 0));
  c.expects(turned_in.size() == static_cast<size_t>(scanned) && axes_in.size() == turned_in.size() &&
                turned_out.size() == outputs - states && axes_out.size() == turned_out.size(),
            "it has an axis and a direction for each scanned input and output");
  const auto single = [&](Tensors init, Tensors xs) {
    const auto step = [&](const Tensors& s, const Tensors& rows) {
      std::vector<Item> arguments(s.begin(), s.end());
      arguments.insert(arguments.end(), rows.begin(), rows.end());
      const Tensors all =
          traced_all(c.scope.importer, c.scope.importer.body(c.scope, graph, made_of(c, std::move(arguments))));
      const auto split = all.begin() + static_cast<std::ptrdiff_t>(states);
      return std::pair(Tensors(all.begin(), split), Tensors(split, all.end()));
    };
    return scan(step, init, xs);
  };
  Tensors init, xs;
  for (size_t i = 0; i < states; ++i) init.push_back(c.tensor(lead + i));
  for (size_t i = 0; i < turned_in.size(); ++i) {
    Tensor x = c.tensor(lead + states + i);
    const int64_t axis = batched ? 1 : c.axis(axes_in[i], x.ndim());
    x = movedim(x, axis, 0);
    xs.push_back(turned_in[i] != 0 ? flip(x, {0}) : x);
  }
  if (batched) {  // one element of the batch, which is all that is known
    c.expects(xs[0].shape()[1] == 1, "batches of more than one are not known");
    for (Tensor& t : init) t = squeeze(t, 0);
    for (Tensor& t : xs) t = squeeze(t, 1);
  }
  auto [last, rows] = single(init, xs);
  Results results;
  for (const Tensor& t : last) results.push_back(batched ? unsqueeze(t, 0) : t);
  for (size_t i = 0; i < rows.size(); ++i) {
    Tensor y = turned_out[i] != 0 ? flip(rows[i], {0}) : rows[i];
    y = movedim(y, 0, c.axis(axes_out[i], y.ndim()));
    results.push_back(batched ? unsqueeze(y, 0) : y);
  }
  return results;
}

}  // namespace tenon::onnx
