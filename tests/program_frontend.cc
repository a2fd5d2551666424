// The tensors of a run are made anew for each call, so that nothing is shared but what the route says.
#include "tenon/tests/program_frontend.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include <unistd.h>

#include "tenon/frontend/tenon.h"
#include "tenon/frontend/transform/aot.h"
#include "tenon/passes/pass.h"
#include "tenon/tests/program_shrink.h"
#include "tenon/tests/shared_object.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {

using namespace ir;

namespace {

using Arrays = std::vector<Array>;
using Tensors = std::vector<Tensor>;
using GraphPtr = std::shared_ptr<const Graph>;

Tensor tensor_of(const Array& a) { return copy_from(a.data.data(), a.type.shape, a.type.dtype); }

Tensors tensors_of(std::span<const Array> arrays) {
  Tensors all;
  for (const Array& a : arrays) all.push_back(tensor_of(a));
  return all;
}

Array array_of(const Tensor& t) {
  Array a(Type{t.dtype(), t.shape()});
  if (!a.data.empty()) std::memcpy(a.data.data(), t.raw(), a.data.size());
  return a;
}

Arrays arrays_of(const Tensors& tensors) {
  Arrays all;
  for (const Tensor& t : tensors) all.push_back(array_of(t));
  return all;
}

// Over numbers, through text, as a user would load it.
Traced loaded(const Case& c) { return parse(specialised(*c.graph, c.inputs)->text()); }

std::vector<bool> floating_inputs(const Graph& graph) {
  std::vector<bool> active;
  for (uint32_t i = 0; i < graph.input_count(); ++i) active.push_back(is_floating(graph.type(ValueId{i}).dtype));
  return active;
}

}  // namespace

Runnable eager(const Case& c, Random&) {
  return [program = loaded(c)](std::span<const Array> inputs) { return arrays_of(program(tensors_of(inputs))); };
}

Runnable jitted(const Case& c, Random&) {
  const auto f = jit([program = loaded(c)](const Tensors& inputs) { return program(inputs); });
  return [f](std::span<const Array> inputs) {
    const Tensors given = tensors_of(inputs);
    const Arrays first = arrays_of(f(given));
    Arrays again = arrays_of(f(given));  // found, not traced
    for (size_t i = 0; i < first.size(); ++i)
      if (const auto text = difference(first[i], again[i], NaNs::one_value))
        throw InternalError("the second call differs: output " + std::to_string(i) + ": " + *text);
    return again;
  };
}

Runnable jitted_donated(const Case& c, Random& random) {
  std::vector<bool> given;
  for (size_t i = 0; i < c.inputs.size(); ++i) given.push_back(random() % 3 != 0);
  const auto f = jit(
      [program = loaded(c), given](const Tensors& donated, const Tensors& kept) {
        Tensors inputs;
        size_t d = 0, k = 0;
        for (bool g : given) inputs.push_back(g ? donated[d++] : kept[k++]);
        return program(inputs);
      },
      {.donate = {0}});
  return [f, given](std::span<const Array> inputs) {
    const auto call = [&] {
      Tensors donated, kept;
      for (size_t i = 0; i < given.size(); ++i) (given[i] ? donated : kept).push_back(tensor_of(inputs[i]));
      const Tensors results = f(donated, kept);
      for (size_t i = 0, k = 0; i < given.size(); ++i)
        if (!given[i])
          if (const auto text = difference(inputs[i], array_of(kept[k++]), NaNs::by_bits))
            throw InternalError("input " + std::to_string(i) + ", which was not donated, changed: " + *text);
      return arrays_of(results);
    };
    call();
    return call();
  };
}

Runnable taped(const Case& c, Random& random) {
  const bool whole = random() % 2;
  const Traced program = loaded(c);
  const auto f = jit([program](const Tensors& inputs) { return program(inputs); });
  return [program, f, whole](std::span<const Array> inputs) {
    Tensors given = tensors_of(inputs);
    for (Tensor& t : given)
      if (is_floating(t.dtype())) t.set_requires_grad(true);
    try {
      return arrays_of(whole ? f(given) : program(given));
    } catch (const Error&) {  // a while loop has no reverse derivative
      return Arrays{};
    }
  };
}

Runnable saved(const Case& c, Random&) {
  const std::string folder = temporary_folder("aot");
  const auto f = jit([program = loaded(c)](const Tensors& inputs) { return program(inputs); });
  aot::save(f, {.name = "fuzzed", .out = folder}, tensors_of(c.inputs));
  const auto library = std::make_shared<SharedObject>(std::vector<std::string>{folder + "/fuzzed.o"});
  std::filesystem::remove_all(folder);
  runtime::Manifest manifest;
  manifest.entry = "fuzzed";
  const GraphPtr graph = specialised(*c.graph, c.inputs);
  for (ValueId v : graph->outputs()) manifest.outputs.push_back(graph->type(v));
  return [library, manifest](std::span<const Array> inputs) { return library->run(manifest, inputs); };
}

std::optional<std::string> inner_product(const Case& c, Random& random) {
  const GraphPtr graph = specialised(*c.graph, c.inputs);
  for (uint32_t v = 0; v < graph->value_count(); ++v)
    if (const DType t = graph->type(ValueId{v}).dtype;
        (is_floating(t) && t != DType::f64) || (is_complex(t) && t != DType::c128))
      return std::nullopt;
  const std::vector<bool> active = floating_inputs(*graph);
  if (std::find(active.begin(), active.end(), true) == active.end()) return std::nullopt;
  passes::Jvp forward;
  passes::Vjp reverse;
  try {
    forward = passes::jvp(*graph, active);
    reverse = passes::vjp(*graph, active);
  } catch (const Error&) {
    return std::nullopt;
  }
  Arrays joint = c.inputs, tangents;
  for (size_t i = 0; i < active.size(); ++i)
    if (active[i]) tangents.push_back(random_array(c.inputs[i].type, random, Domain::unit));
  joint.insert(joint.end(), tangents.begin(), tangents.end());
  const Arrays pushed = interpret(*forward.graph, joint), kept = interpret(*reverse.forward, c.inputs);
  Arrays operands(kept.begin() + static_cast<std::ptrdiff_t>(graph->outputs().size()), kept.end());
  double left = 0, right = 0, size = 1;
  bool finite = true;
  const auto add = [&](double& sum, const Array& x, const Array& y) {
    const int64_t parts = is_complex(x.type.dtype) ? 2 : 1;  // the real inner product of the plane
    for (int64_t i = 0; i < parts * x.numel(); ++i) {
      const double term = x.as<double>()[i] * y.as<double>()[i];
      finite = finite && std::isfinite(term);
      sum += term;
      size += std::fabs(term);
    }
  };
  size_t next = graph->outputs().size();
  if (forward.output_has_tangent != reverse.output_is_active) return "forward and reverse differ in what has a tangent";
  for (size_t o = 0; o < graph->outputs().size(); ++o) {
    if (!forward.output_has_tangent[o]) continue;
    const Array cotangent = random_array(pushed[next].type, random, Domain::unit);
    add(right, cotangent, pushed[next++]);
    operands.push_back(cotangent);
  }
  const Arrays pulled = interpret(*reverse.backward, operands);
  for (size_t i = 0; i < tangents.size(); ++i) add(left, pulled[i], tangents[i]);
  if (!finite || size > 1e12 || std::fabs(left - right) <= 1e-6 * size) return std::nullopt;
  return "<pull(c), t> is " + std::to_string(left) + ", <c, push(t)> is " + std::to_string(right);
}

std::optional<std::string> tape_agrees(const Case& c, Random& random) {
  const GraphPtr graph = specialised(*c.graph, c.inputs);
  const std::vector<bool> active = floating_inputs(*graph);
  std::optional<size_t> shown;
  for (size_t o = 0; o < graph->outputs().size(); ++o)
    if (const Type& type = graph->type(graph->outputs()[o]); is_floating(type.dtype) && (!shown || random() % 2))
      shown = o;
  if (!shown) return std::nullopt;
  // The vjp graph of this output alone.
  GraphBuilder one("main", graph->symbols);
  one.merging = false;
  std::vector<ValueId> inputs;
  for (uint32_t i = 0; i < graph->input_count(); ++i) inputs.push_back(one.input(graph->type(ValueId{i})));
  const ValueId output[] = {one.splice(*graph, inputs)[*shown]};
  const GraphPtr alone = one.finish(output);
  Arrays expected;
  const Array cotangent = random_array(alone->type(alone->outputs()[0]), random, Domain::unit);
  Tensors given = tensors_of(c.inputs);
  for (Tensor& t : given)
    if (is_floating(t.dtype())) t.set_requires_grad(true);
  const bool whole = random() % 2;
  try {
    const passes::Vjp vjp = passes::vjp(*alone, active);
    if (!vjp.output_is_active[0]) return std::nullopt;
    const Arrays kept = interpret(*vjp.forward, c.inputs);
    Arrays operands(kept.begin() + 1, kept.end());
    operands.push_back(cotangent);
    expected = interpret(*vjp.backward, operands);
    const Traced program = parse(alone->text());
    const auto f = jit([program](const Tensors& x) { return program(x); });
    (whole ? f(given) : program(given))[0].backward(tensor_of(cotangent));
  } catch (const Error&) {  // no reverse derivative
    return std::nullopt;
  }
  size_t next = 0;
  for (size_t i = 0; i < active.size(); ++i) {
    if (!active[i]) continue;
    const Array& want = expected[next++];
    const Array have = given[i].grad().defined() ? array_of(given[i].grad()) : Array(want.type);
    if (const auto text = difference(want, have, NaNs::one_value))
      return std::string(whole ? "jitted" : "op by op") + ", cotangent of input " + std::to_string(i) + ": " + *text;
  }
  return std::nullopt;
}

}  // namespace tenon::testing
