// Fused elementwise functions: sizes, numbers of inputs, dtypes, layouts; bytes per second by the least that has to move.
#include "tenon/bench/gpu_report/measure.h"

namespace tenon::gpu_report {
namespace {

using Shape2 = std::vector<int64_t>;

struct Elementwise {
  std::string name, formula;  // here, and of peers.py
  Formula f;
  std::vector<Shape2> shapes;
  DType dtype = f32;
  double outputs = 0;  // elements
  bool shown = false;
};

void add(Recorder& recorder, const Elementwise& e) {
  Case c;
  c.formula = e.f;
  c.inputs = [e](int copy) {
    Tensors in;
    uint64_t seed = 1000 + 8 * static_cast<uint64_t>(copy);
    for (const Shape2& s : e.shapes) in.push_back(drawn(seed++, s, e.dtype));
    return in;
  };
  double count = e.outputs;
  for (const Shape2& s : e.shapes) count += elements(s);
  c.bytes = count * size_of(e.dtype);
  c.shown = e.shown;
  c.peer = peer(e.formula, e.shapes, e.dtype);
  std::string shapes = shape_text(e.shapes[0]);
  if (e.shapes.size() > 1 && e.shapes[1] != e.shapes[0]) shapes += ", " + shape_text(e.shapes[1]);
  measure(recorder, e.name + ", " + name_of(e.dtype) + " " + shapes, c);
}

Tensors sum_of_inputs(const Tensors& in) {
  Tensor total = in[0];
  for (size_t k = 1; k < in.size(); ++k) total = total + in[k];
  return {total};
}
Tensors chain_of_eight(const Tensors& in) {
  Tensor x = in[0];
  for (int k = 0; k < 4; ++k) x = (x * 1.01 + 0.1) * in[0];
  return {x};
}

}  // namespace

void elementwise(Recorder& recorder) {
  const bool quick = recorder.quick();
  const Shape2 usual = quick ? Shape2{16, 64} : Shape2{8192, 8192};  // 256 MiB of f32
  const double count = elements(usual);
  for (const int inputs : quick ? std::vector<int>{2} : std::vector<int>{1, 2, 3, 6}) {
    const std::string name = "sum of " + std::to_string(inputs) + " inputs";
    const Formula f = inputs == 1 ? Formula([](const Tensors& in) { return Tensors{in[0] * 1.5}; }) : sum_of_inputs;
    const std::vector<Shape2> shapes(static_cast<size_t>(inputs), usual);
    const std::string theirs = inputs == 1 ? "scale" : "sum of inputs";
    add(recorder, {inputs == 1 ? "x * 1.5" : name, theirs, f, shapes, f32, count, inputs == 2 || inputs == 6});
    if (!quick && inputs <= 2)
      add(recorder, {inputs == 1 ? "x * 1.5" : name, theirs, f, shapes, bf16, count, inputs == 2});
  }
  const std::vector<Shape2> broadcast = {usual, {1, usual[1]}};
  add(recorder, {"x * row", "product of inputs", [](const Tensors& in) { return Tensors{in[0] * in[1]}; }, broadcast,
                 f32, count, true});
  add(recorder, {"x + y transposed",
                 "plus transposed",
                 [](const Tensors& in) { return Tensors{in[0] + in[1].transpose()}; },
                 {usual, {usual[1], usual[0]}},
                 f32,
                 count,
                 true});
  if (quick) return;
  add(recorder, {"x * column",
                 "product of inputs",
                 [](const Tensors& in) { return Tensors{in[0] * in[1]}; },
                 {usual, {usual[0], 1}},
                 f32,
                 count});
  add(recorder, {"transpose",
                 "transpose",
                 [](const Tensors& in) { return Tensors{in[0].transpose() * 1.5}; },
                 {usual},
                 f32,
                 count});
  add(recorder, {"transpose",
                 "transpose",
                 [](const Tensors& in) { return Tensors{in[0].transpose() * 1.5}; },
                 {usual},
                 bf16,
                 count,
                 true});
  const Formula g = [](const Tensors& in) { return Tensors{gelu(in[0])}; };
  add(recorder, {"gelu", "gelu", g, {usual}, f32, count, true});
  add(recorder, {"gelu", "gelu", g, {usual}, bf16, count});
  add(recorder, {"12 operations", "chain", chain_of_eight, {usual}, f32, count});
  for (const int64_t rows : {32, 512, 32768, 131072})  // 1 MiB, 16 MiB, 1 GiB, 4 GiB each
    add(recorder, {"sum of 2 inputs",
                   "sum of inputs",
                   sum_of_inputs,
                   {{rows, 8192}, {rows, 8192}},
                   f32,
                   static_cast<double>(rows) * 8192});
}

}  // namespace tenon::gpu_report
