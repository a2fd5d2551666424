// Models written by the tests themselves: meanings that changed with the opset, typed and external data, weights, control flow, functions,
// extents that are free, values that come with the arguments, transforms, and refusals.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tenon/frontend/onnx/import.h"
#include "tenon/frontend/tenon.h"
#include "tenon/frontend/transform/program.h"
#include "tenon/tests/onnx_case.h"
#include "tenon/tests/onnx_writer.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

using proto::Graph;
using proto::Node;
using Tensors = std::vector<Tensor>;

Tensor ramp(const std::vector<int64_t>& shape) {
  int64_t n = 1;
  for (int64_t e : shape) n *= e;
  return arange(0, n).astype(f32).reshape(shape) / 4 - 1;
}

std::vector<std::string> written(const Tensor& t) {
  std::vector<std::string> list;
  for (int64_t n : std::vector<int64_t>(t.shape())) list.push_back(std::to_string(n));
  return list;
}

std::string declared(const std::string& name, const Tensor& t) {
  return proto::value(name, t.dtype() == i64 ? 7 : t.dtype() == boolean ? 9 : 1, written(t));
}

// One node on these operands, of which the constant ones are initial values.
Tensors run_node(const Node& n, int64_t opset, const Tensors& inputs, const Tensors& constants = {}) {
  Graph g{.nodes = {n}};
  for (size_t i = 0; i < inputs.size(); ++i) g.inputs.push_back(declared(n.inputs[i], inputs[i]));
  for (size_t i = 0; i < constants.size(); ++i)
    if (constants[i].defined()) g.initial.push_back(proto::tensor(n.inputs[inputs.size() + i], constants[i]));
  for (const std::string& o : n.outputs) g.outputs.push_back(proto::bytes(1, o));
  return onnx::parse(proto::model(g, opset))(inputs);
}

void expect_same(const Tensor& expected, const Tensor& actual) {
  EXPECT_EQ(onnx_distance(expected, actual, 1e-5, 1e-6), "");
}

TEST(OnnxImport, MeaningsChangeWithTheOpset) {
  const Tensor x = ramp({2, 3, 4}), axes = tensor({int64_t{1}}), y = ramp({3});
  using proto::integer, proto::integers, proto::real;
  expect_same(softmax(x.reshape({2, 12}), 1).reshape({2, 3, 4}), run_node({"Softmax", {"x"}, {"y"}, {}}, 12, {x})[0]);
  expect_same(softmax(x, -1), run_node({"Softmax", {"x"}, {"y"}, {}}, 13, {x})[0]);
  for (int64_t opset : {7, 11, 12})
    expect_same(sum(x, {.axes = {1}, .keepdims = true}),
                run_node({"ReduceSum", {"x"}, {"y"}, {integers("axes", {1})}}, opset, {x})[0]);
  for (int64_t opset : {13, 18, 22})
    expect_same(sum(x, {.axes = {1}}),
                run_node({"ReduceSum", {"x", "a"}, {"y"}, {integer("keepdims", 0)}}, opset, {x}, {axes})[0]);
  expect_same(mean(x, {.axes = {1}, .keepdims = true}),
              run_node({"ReduceMean", {"x"}, {"y"}, {integers("axes", {1})}}, 17, {x})[0]);
  expect_same(mean(x, {.axes = {1}, .keepdims = true}),
              run_node({"ReduceMean", {"x", "a"}, {"y"}, {}}, 18, {x}, {axes})[0]);
  expect_same(x, run_node({"ReduceSum", {"x"}, {"y"}, {integer("noop_with_empty_axes", 1)}}, 13, {x})[0]);
  expect_same(clip(x, 0, 1), run_node({"Clip", {"x"}, {"y"}, {real("min", 0), real("max", 1)}}, 10, {x})[0]);
  expect_same(clip(x, 0, 1), run_node({"Clip", {"x", "l", "h"}, {"y"}, {}}, 11, {x}, {tensor(0.f), tensor(1.f)})[0]);
  expect_same(x + y.reshape({3, 1}),
              run_node({"Add", {"x", "b"}, {"y"}, {integer("broadcast", 1), integer("axis", 1)}}, 6, {x}, {y})[0]);
  expect_same(x + ramp({4}), run_node({"Add", {"x", "b"}, {"y"}, {}}, 7, {x}, {ramp({4})})[0]);
  expect_same(x[{all, slice(1, 3), all}],
              run_node({"Slice", {"x"}, {"y"}, {integers("starts", {1}), integers("ends", {9}), integers("axes", {1})}},
                       9, {x})[0]);
  expect_same(flip(x, {1}), run_node({"Slice", {"x", "s", "e", "a", "t"}, {"y"}, {}}, 13, {x},
                                     {tensor({int64_t{-1}}), tensor({INT64_MIN}), axes, tensor({int64_t{-1}})})[0]);
  expect_same(x.reshape({2, 1, 3, 4}), run_node({"Unsqueeze", {"x"}, {"y"}, {integers("axes", {1})}}, 11, {x})[0]);
  expect_same(x.reshape({2, 1, 3, 4}), run_node({"Unsqueeze", {"x", "a"}, {"y"}, {}}, 13, {x}, {axes})[0]);
  const Tensor image = ramp({1, 1, 2, 2}), twice = repeat_interleave(repeat_interleave(image, 2, 2), 2, 3);
  const Tensor scales = tensor({1.f, 1.f, 2.f, 2.f});
  expect_same(twice, run_node({"Upsample", {"x"}, {"y"}, {proto::reals("scales", {1, 1, 2, 2})}}, 7, {image})[0]);
  expect_same(twice, run_node({"Upsample", {"x", "s"}, {"y"}, {}}, 9, {image}, {scales})[0]);
  expect_same(twice, run_node({"Resize", {"x", "s"}, {"y"}, {}}, 10, {image}, {scales})[0]);
  expect_same(twice, run_node({"Resize", {"x", "", "s"}, {"y"}, {}}, 19, {image}, {Tensor(), scales})[0]);
  EXPECT_THROW(run_node({"Upsample", {"x", "s"}, {"y"}, {}}, 10, {image}, {scales}), onnx::Unsupported);
  EXPECT_THROW(run_node({"Gelu", {"x"}, {"y"}, {}}, 19, {x}), onnx::Unsupported);
}

TEST(OnnxImport, NumbersStandInManyFields) {
  const auto constant = [](const std::string& t) {
    Graph g{.outputs = {proto::bytes(1, "c")}, .initial = {t}};
    return onnx::parse(proto::model(g, 17))({}).at(0);
  };
  using proto::bytes, proto::number, proto::typed_tensor, proto::varint;
  const std::string floats("\0\0\x80\x3f\0\0\0\x40", 8);
  expect_same(tensor({1.f, 2.f}), constant(typed_tensor("c", 1, {2}, bytes(4, floats))));  // packed
  expect_same(tensor({1.f, 2.f}),
              constant(typed_tensor("c", 1, {2}, "\x25" + floats.substr(0, 4) + "\x25" + floats.substr(4))));
  expect_same(tensor({int64_t{-3}, int64_t{5}}),
              constant(typed_tensor("c", 7, {2}, bytes(7, varint(static_cast<uint64_t>(-3)) + varint(5)))));
  expect_same(tensor({int64_t{-3}, int64_t{5}}), constant(typed_tensor("c", 7, {2}, number(7, -3) + number(7, 5))));
  expect_same(tensor({-3, 5}), constant(typed_tensor("c", 6, {2}, number(5, -3) + number(5, 5))));
  expect_same(tensor({int8_t{-3}}), constant(typed_tensor("c", 3, {1}, number(5, -3))));
  expect_same(tensor(std::vector<bool>{true, false}), constant(typed_tensor("c", 9, {2}, number(5, 7) + number(5, 0))));
  expect_same(tensor(1.5f).astype(f16), constant(typed_tensor("c", 10, {}, number(5, 0x3e00))));
  expect_same(tensor(1.5f).astype(bf16), constant(typed_tensor("c", 16, {}, number(5, 0x3fc0))));
  expect_same(tensor(uint64_t{7}), constant(typed_tensor("c", 13, {}, number(11, 7))));
  expect_same(tensor({2.5}), constant(typed_tensor("c", 11, {1}, bytes(10, std::string("\0\0\0\0\0\0\x04\x40", 8)))));
  EXPECT_THROW(constant(typed_tensor("c", 17, {1}, number(5, 0))), Error);  // a float of 8 bits
}

TEST(OnnxImport, LargeConstantsAreCaptured) {
  const auto captured = [](int64_t n) {
    Graph g{{{"Add", {"x", "w"}, {"y"}, {}}},
            {proto::value("x", 1, {std::to_string(n)})},
            {proto::bytes(1, "y")},
            {proto::tensor("w", ramp({n}))}};
    return onnx::parse(proto::model(g, 17)).program()->captured.size();
  };
  EXPECT_EQ(captured(16), 0u);
  EXPECT_EQ(captured(17), 1u);
}

TEST(OnnxImport, ExternalDataLiesBelowTheModel) {
  const std::string folder = temporary_folder("onnx");
  std::filesystem::create_directory(folder + "/sub");
  std::ofstream(folder + "/sub/w.bin", std::ios::binary) << "1234" << std::string("\0\0\x80\x3f\0\0\0\x40", 8);
  const auto loaded = [&](const std::string& location, const std::string& offset, const std::string& length) {
    const auto entry = [](const std::string& k, const std::string& v) {
      return proto::bytes(13, proto::bytes(1, k) + proto::bytes(2, v));
    };
    const std::string t = proto::typed_tensor(
        "w", 1, {2},
        entry("location", location) + entry("offset", offset) + entry("length", length) + proto::number(14, 1));
    std::ofstream(folder + "/m.onnx", std::ios::binary)
        << proto::model(Graph{.outputs = {proto::bytes(1, "w")}, .initial = {t}}, 17);
    return onnx::load(folder + "/m.onnx")({}).at(0);
  };
  expect_same(tensor({1.f, 2.f}), loaded("sub/w.bin", "4", "8"));
  for (const auto& [location, offset, length] : {std::tuple{"../w.bin", "0", "8"},
                                                 {"/etc/passwd", "0", "8"},
                                                 {"sub/../../w", "0", "8"},
                                                 {"", "0", "8"},
                                                 {"sub/w.bin", "5", "8"},
                                                 {"sub/w.bin", "18446744073709551615", "8"},
                                                 {"sub/w.bin", "4", "9"},
                                                 {"sub/w.bin", "-4", "8"},
                                                 {"sub", "0", "8"},
                                                 {"absent", "0", "8"}})
    EXPECT_THROW(loaded(location, offset, length), Error) << location << " " << offset;
  std::filesystem::remove_all(folder);
}

TEST(OnnxImport, Branches) {
  const auto branch = [](const char* op) {
    return proto::graph({{{op, {"x", "x"}, {"b"}, {}}}, {}, {proto::bytes(1, "b")}, {}});
  };
  const std::vector<std::string> both = {proto::body("then_branch", branch("Add")),
                                         proto::body("else_branch", branch("Mul"))};
  const Tensor x = ramp({3});
  // Decided by an argument, which a transform does not know; and by a computed number.
  Graph g{{{"If", {"p"}, {"y"}, both}}, {declared("x", x), proto::value("p", 9, {})}, {proto::bytes(1, "y")}, {}};
  const Traced f = onnx::parse(proto::model(g, 17));
  const auto step = jit([&](const Tensor& t, const Tensor& p) { return f({t, p})[0]; });
  for (bool p : {true, false}) {
    expect_same(p ? x + x : x * x, f({x, tensor(p)})[0]);
    expect_same(p ? x + x : x * x, step(x, tensor(p)));
  }
  g = {{{"ReduceMax", {"x"}, {"m"}, {proto::integer("keepdims", 0)}},
        {"Greater", {"m", "zero"}, {"p"}, {}},
        {"If", {"p"}, {"y"}, both}},
       {declared("x", x)},
       {proto::bytes(1, "y")},
       {proto::tensor("zero", tensor(0.f))}};
  const Traced h = onnx::parse(proto::model(g, 17));
  expect_same(x * x, h({x})[0]);
  expect_same((x + 9) + (x + 9), h({x + 9})[0]);
}

TEST(OnnxImport, Loops) {
  const auto identity = [](const char* from, const char* to) { return Node{"Identity", {from}, {to}, {}}; };
  // v = v * 2 + i, stacked before and counted: the condition stays.
  const std::string counted =
      proto::graph({{identity("c", "c2"),
                     {"Add", {"v", "v"}, {"d"}, {}},
                     {"Cast", {"i"}, {"f"}, {proto::integer("to", 1)}},
                     {"Add", {"d", "f"}, {"v2"}, {}},
                     {"Add", {"v2", "w"}, {"s"}, {}}},
                    {proto::value("i", 7, {}), proto::value("c", 9, {}), proto::value("v", 1, {})},
                    {proto::bytes(1, "c2"), proto::bytes(1, "v2"), proto::bytes(1, "s")},
                    {}});
  Graph g{{{"Loop", {"n", "", "x"}, {"y", "rows"}, {proto::body("body", counted)}}},
          {proto::value("x", 1, {})},
          {proto::bytes(1, "y"), proto::bytes(1, "rows")},
          {proto::tensor("n", tensor(int64_t{4})), proto::tensor("w", tensor(100.f))}};
  Tensors r = onnx::parse(proto::model(g, 17))({tensor(1.f)});
  expect_same(tensor(27.f), r[0]);  // 1, 2, 5, 12, 27
  expect_same(tensor({102.f, 105.f, 112.f, 127.f}), r[1]);
  // As often as it takes: v doubles until it is no longer below 100, or `most` times.
  const std::string open = proto::graph({{{"Add", {"v", "v"}, {"v2"}, {}}, {"Less", {"v2", "limit"}, {"c2"}, {}}},
                                         {proto::value("i", 7, {}), proto::value("c", 9, {}), proto::value("v", 1, {})},
                                         {proto::bytes(1, "c2"), proto::bytes(1, "v2")},
                                         {}});
  g = {{{"Loop", {"most", "go", "x"}, {"y"}, {proto::body("body", open)}}},
       {proto::value("x", 1, {}), proto::value("most", 7, {})},
       {proto::bytes(1, "y")},
       {proto::tensor("go", tensor(true)), proto::tensor("limit", tensor(100.f))}};
  const Traced f = onnx::parse(proto::model(g, 17));
  expect_same(tensor(128.f), f({tensor(1.f), tensor(int64_t{1000})})[0]);
  expect_same(tensor(8.f), f({tensor(1.f), tensor(int64_t{3})})[0]);
  expect_same(tensor(128.f),
              jit([&](const Tensor& x, const Tensor& n) { return f({x, n})[0]; })(tensor(1.f), tensor(int64_t{1000})));
  // Running sums, backward.
  const std::string sums = proto::graph({{{"Add", {"s", "row"}, {"s2"}, {}}, identity("s2", "out")},
                                         {proto::value("s", 1, {"2"}), proto::value("row", 1, {"2"})},
                                         {proto::bytes(1, "s2"), proto::bytes(1, "out")},
                                         {}});
  const Tensor x = ramp({3, 2});
  g = {{{"Scan",
         {"init", "x"},
         {"last", "all"},
         {proto::body("body", sums), proto::integer("num_scan_inputs", 1),
          proto::integers("scan_input_directions", {1}), proto::integers("scan_output_directions", {1})}}},
       {declared("x", x)},
       {proto::bytes(1, "last"), proto::bytes(1, "all")},
       {proto::tensor("init", zeros({2}))}};
  r = onnx::parse(proto::model(g, 17))({x});
  expect_same(sum(x, {.axes = {0}}), r[0]);
  expect_same(cumsum(x, 0, true), r[1]);
}

TEST(OnnxImport, FunctionsHaveNamesAndAttributesOfTheirOwn) {
  const std::string scaled = proto::function(
      {"Scaled",
       "own",
       {"a"},
       {"b"},
       {"by"},
       {{"Constant", {}, {"k"}, {proto::refers("value_float", "by", 1)}}, {"Mul", {"a", "k"}, {"b"}, {}}}});
  const std::string twice = proto::function({"Twice",
                                             "own",
                                             {"x"},
                                             {"y"},
                                             {},
                                             {{"Scaled", {"x"}, {"t"}, {proto::real("by", 3)}, "", "own"},
                                              {"Scaled", {"t"}, {"y"}, {proto::real("by", 0.5)}, "", "own"}}});
  const Tensor x = ramp({3});
  const Graph g{{{"Twice", {"x"}, {"t"}, {}, "", "own"}, {"Twice", {"t"}, {"b"}, {}, "", "own"}},
                {declared("x", x)},
                {proto::bytes(1, "b")},
                {}};
  expect_same(x * 2.25, onnx::parse(proto::model(g, 17, {scaled, twice}))({x})[0]);
}

// [n, 4] -> [n / 2, 2, 4] -> [n / 2, 8], with shapes that the model computes as exporters do; and positions 0 .. n - 1 added.
Graph of_free_extents() {
  const auto ints = [](std::vector<int64_t> v) { return tensor(v); };
  return {{{"Shape", {"x"}, {"s"}, {}},
           {"Gather", {"s", "first"}, {"n"}, {}},
           {"Div", {"n", "two"}, {"h"}, {}},
           {"Unsqueeze", {"h", "axis"}, {"hs"}, {}},
           {"Concat", {"hs", "tail"}, {"shape"}, {proto::integer("axis", 0)}},
           {"Reshape", {"x", "shape"}, {"r"}, {}},
           {"Range", {"first", "n", "one"}, {"p"}, {}},
           {"Cast", {"p"}, {"pf"}, {proto::integer("to", 1)}},
           {"Unsqueeze", {"pf", "last"}, {"column"}, {}},
           {"Add", {"x", "column"}, {"y"}, {}}},
          {proto::value("x", 1, {"n", "4"})},
          {proto::bytes(1, "r"), proto::bytes(1, "y")},
          {proto::tensor("first", tensor(int64_t{0})), proto::tensor("one", tensor(int64_t{1})),
           proto::tensor("two", tensor(int64_t{2})), proto::tensor("axis", ints({0})), proto::tensor("last", ints({1})),
           proto::tensor("tail", ints({8}))}};
}

TEST(OnnxImport, ExtentsComeWithTheArguments) {
  const Traced f = onnx::parse(proto::model(of_free_extents(), 17));
  const auto both = [&](const Tensor& x) { return f({x}); };
  const auto free = jit(both, {.dynamic = {{0, 0, dim("n", 1, 64)}}});
  for (int64_t n : {2, 6, 10}) {
    const Tensor x = ramp({n, 4}), y = x + arange(0, n).astype(f32).reshape({n, 1});
    for (const Tensors& r : {f({x}), free(x)}) {
      expect_same(x.reshape({n / 2, 8}), r[0]);
      expect_same(y, r[1]);
    }
  }
  EXPECT_NE(jit(both).lower(spec({dim("n", 1, 64), 4}, f32)).compile().memory().arena_bytes, UINT64_MAX);
  EXPECT_THROW(f({ramp({2, 3})}), Error);
  EXPECT_THROW(f({ramp({2, 4}).astype(f64)}), Error);
  // One name, two extents.
  const Graph g{{{"Add", {"a", "b"}, {"c"}, {}}},
                {proto::value("a", 1, {"n"}), proto::value("b", 1, {"n"})},
                {proto::bytes(1, "c")},
                {}};
  EXPECT_THROW(onnx::parse(proto::model(g, 17))({ramp({1}), ramp({2})}), Error);
}

TEST(OnnxImport, ShapesMayDependOnValuesOfArguments) {
  const Graph g{{{"Mul", {"s", "two"}, {"t"}, {}}, {"Reshape", {"x", "t"}, {"y"}, {}}},
                {proto::value("x", 1, {"12"}), proto::value("s", 7, {"2"})},
                {proto::bytes(1, "y")},
                {proto::tensor("two", tensor(std::vector<int64_t>{2, 1}))}};
  const Traced f = onnx::parse(proto::model(g, 17));
  const Tensor x = ramp({12}), s = tensor(std::vector<int64_t>{2, 3});
  expect_same(x.reshape({4, 3}), f({x, s})[0]);
  expect_same(x.reshape({4, 3}), jit([&](const Tensor& t) { return f({t, s})[0]; })(x));
  try {
    jit([&](const Tensor& t, const Tensor& shape) { return f({t, shape})[0]; })(x, s);
    ADD_FAILURE() << "a shape that is not known";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("values of argument 1"), std::string::npos) << e.what();
  }
}

TEST(OnnxImport, ModelsAreDifferentiated) {
  const Tensor w = ramp({4, 5}), x = ramp({3, 4});
  const Graph g{{{"Gemm", {"x", "w"}, {"h"}, {}},
                 {"Relu", {"h"}, {"r"}, {}},
                 {"ReduceSum", {"r"}, {"y"}, {proto::integer("keepdims", 0)}}},
                {declared("x", x), declared("w", w)},
                {proto::bytes(1, "y")},
                {}};
  const Traced f = onnx::parse(proto::model(g, 17));
  const Tensor slope = (matmul(x, w) > 0).astype(f32);
  expect_same(matmul(slope, w.transpose()), grad([&](const Tensor& a) { return f({a, w})[0]; })(x));
  expect_same(matmul(x.transpose(), slope), grad([&](const Tensor& b) { return f({x, b})[0]; })(w));
}

TEST(OnnxImport, RefusalsNameOpAndNode) {
  const Graph g{{{"Relu", {"x"}, {"h"}, {}}, {"Frobnicate", {"h"}, {"y"}, {}, "last layer", "com.example"}},
                {proto::value("x", 1, {"n"})},
                {proto::bytes(1, "y")},
                {}};
  try {
    onnx::parse(proto::model(g, 17));
    ADD_FAILURE() << "an op that nobody knows";
  } catch (const onnx::Unsupported& e) {
    EXPECT_EQ(e.op(), "Frobnicate");
    EXPECT_EQ(e.domain(), "com.example");
    EXPECT_EQ(e.node(), "last layer");
    for (const char* part : {"<bytes>", "Frobnicate", "com.example", "last layer", "onnx_import_test.cc"})
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
  }
  for (const auto& [op, opset] : {std::pair{"Relu", 29}, {"SequenceConstruct", 17}}) try {
      run_node({op, {"x"}, {"y"}, {}}, opset, {ramp({2})});
      ADD_FAILURE() << op;
    } catch (const onnx::Unsupported& e) {
      EXPECT_EQ(e.opset(), opset);
    }
}

TEST(OnnxImport, TheDocumentListsEveryOp) {
  std::ostringstream text;
  text << std::ifstream(TENON_SOURCE_DIR "/docs/onnx.md").rdbuf();
  for (const onnx::Known& k : onnx::known_ops()) {
    std::string entry = "`" + std::string(k.name) + "`";
    if (k.first > 7) entry += " " + std::to_string(k.first);
    EXPECT_NE(text.str().find(entry), std::string::npos) << entry;
  }
}

}  // namespace
}  // namespace tenon::testing
