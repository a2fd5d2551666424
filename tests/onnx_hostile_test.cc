// ONNX files that mean harm: cut off, changed, nested, multiplied, pointing elsewhere. Each is read or refused with an Error of one line
// that names the file, soon.
#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "tenon/frontend/tenon.h"
#include "tenon/tests/onnx_writer.h"

namespace tenon::testing {
namespace {

using proto::Graph;
using proto::Node;

// Whether bytes are read, or refused as they should be; anything else ends the test.
bool read(const std::string& bytes) {
  const auto start = std::chrono::steady_clock::now();
  bool fine = true;
  try {
    onnx::parse(bytes);
  } catch (const Error& e) {
    fine = false;
    const std::string text = e.what();
    EXPECT_NE(text.find("<bytes>"), std::string::npos) << text;
    EXPECT_LT(text.size(), 2000u);
    EXPECT_EQ(e.message().find('\n'), std::string::npos) << text;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double most = *TENON_SANITIZE == '\0' ? 2.0 : 30.0;  // sanitizers are slow
  EXPECT_LT(seconds, most);
  return fine;
}

std::string output(const std::string& name) { return proto::bytes(1, name); }

// A model with a bit of everything.
std::string sample() {
  const std::string body =
      proto::graph({{{"Identity", {"c"}, {"c2"}, {}}, {"Add", {"v", "w"}, {"v2"}, {}}},
                    {proto::value("i", 7, {}), proto::value("c", 9, {}), proto::value("v", 1, {"2", "3"})},
                    {output("c2"), output("v2")},
                    {}});
  const std::string own = proto::function(
      {"Own",
       "own",
       {"a"},
       {"b"},
       {"by"},
       {{"Constant", {}, {"k"}, {proto::refers("value_float", "by", 1)}}, {"Mul", {"a", "k"}, {"b"}, {}}}});
  return proto::model(
      {{{"Slice", {"x", "zero", "two", "zero"}, {"part"}, {}, "cut"},
        {"Loop", {"n", "", "part"}, {"l"}, {proto::body("body", body)}},
        {"Own", {"l"}, {"o"}, {proto::real("by", 2)}, "", "own"},
        {"Transpose", {"o"}, {"t"}, {proto::integers("perm", {1, 0})}},
        {"Reshape", {"t", "shape"}, {"y"}, {}},
        {"Pad", {"y", "pads"}, {"z"}, {proto::word("mode", "edge")}}},
       {proto::value("x", 1, {"4", "3"})},
       {output("y"), output("z")},
       {proto::tensor("zero", tensor({int64_t{0}})), proto::tensor("two", tensor({int64_t{2}})),
        proto::tensor("n", tensor(int64_t{3})), proto::tensor("w", ones({3})),
        proto::tensor("shape", tensor({int64_t{-1}})), proto::tensor("pads", tensor(std::vector<int64_t>{1, 2}))}},
      17, {own});
}

TEST(OnnxHostile, TheSampleIsRead) { EXPECT_TRUE(read(sample())); }

TEST(OnnxHostile, EveryPrefix) {
  const std::string bytes = sample();
  for (size_t size = 0; size < bytes.size(); ++size) read(bytes.substr(0, size));
  EXPECT_FALSE(read(""));
  EXPECT_FALSE(read(bytes.substr(0, bytes.size() / 2)));
}

TEST(OnnxHostile, EveryByteDeletedDoubledOrStrange) {
  const std::string bytes = sample();
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    read(changed.erase(i, 1));
    changed = bytes;
    read(changed.insert(i, 1, bytes[i]));
    for (char strange : {'\0', '\x01', '\x7f', '\x80', '\xff'}) {
      changed = bytes;
      changed[i] = strange;
      read(changed);
    }
  }
}

TEST(OnnxHostile, Garbage) {
  std::mt19937 random(7);
  for (int k = 0; k < 500; ++k) {
    std::string bytes(random() % 400, '\0');
    for (char& c : bytes) c = static_cast<char>(random() % (k % 2 == 0 ? 256 : 32));
    read(bytes);
    read(proto::model(bytes, 17));
    read(proto::model(Graph{.initial = {bytes}}, 17));
  }
  EXPECT_FALSE(read(std::string(1000, '\xff')));
  EXPECT_FALSE(read(std::string("\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10)));  // a graph of 2^63 bytes
}

TEST(OnnxHostile, GraphsThatAreNone) {
  const std::string x = proto::value("x", 1, {"2"});
  const auto refused = [&](std::vector<Node> nodes, std::vector<std::string> initial = {},
                           std::vector<std::string> inputs = {}) {
    inputs.push_back(x);
    EXPECT_FALSE(read(proto::model({nodes, inputs, {output("y")}, initial}, 17)));
  };
  refused({{"Add", {"x", "b"}, {"a"}, {}}, {"Relu", {"a"}, {"b"}, {}}, {"Relu", {"a"}, {"y"}, {}}});  // a cycle
  refused({{"Relu", {"y"}, {"y"}, {}}});
  refused({{"Relu", {"x"}, {"y"}, {}}, {"Neg", {"x"}, {"y"}, {}}});  // two results of one name
  refused({{"Relu", {"x"}, {"x"}, {}}});
  refused({{"Relu", {"nothing"}, {"y"}, {}}});
  refused({{"Relu", {}, {"y"}, {}}});
  refused({{"Relu", {""}, {"y"}, {}}});
  refused({{"Relu", {"x"}, {"z"}, {}}});  // the output is never computed
  refused({{"Relu", {"x"}, {"y", "z"}, {}}});  // more results than there are
  refused({{"Relu", {"x"}, {"y"}, {}}}, {proto::tensor("w", ones({2})), proto::tensor("w", ones({2}))});
  refused({{"Relu", {"x"}, {"y"}, {}}}, {}, {x});  // two inputs of one name
  refused({{"If", {"x"}, {"y"}, {}}});
  refused({{"Loop", {"", "", "x"}, {"y"}, {}}});
  refused({{"Gather", {"x", "x"}, {"y"}, {}}});
  refused({{"Conv", {"x", "x"}, {"y"}, {}}});
  refused({{"LSTM", {"x", "x", "x"}, {"y"}, {}}});
  refused({{"Scan", {"x"}, {"y"}, {proto::integer("num_scan_inputs", INT64_MIN), proto::body("body", "")}}});
  EXPECT_FALSE(read(proto::bytes(7, proto::graph({{{"Relu", {"x"}, {"y"}, {}}}, {x}, {output("y")}, {}})) +
                    proto::bytes(8, proto::bytes(1, "other") + proto::number(2, 1))));
}

// Few bytes that ask for much: each op with numbers at their extremes.
std::vector<Node> asking_for_much(int64_t a, int64_t b) {
  using proto::integer, proto::integers;
  return {
      {"ConstantOfShape", {"p"}, {"y"}, {}},
      {"Expand", {"x", "p"}, {"y"}, {}},
      {"Tile", {"x", "p"}, {"y"}, {}},
      {"Reshape", {"x", "p"}, {"y"}, {}},
      {"Pad", {"x", "q"}, {"y"}, {}},
      {"Range", {"a", "b", "b"}, {"y"}, {}},
      {"Slice", {"x", "p", "q"}, {"y"}, {}},
      {"Slice", {"x", "p", "p", "p", "p"}, {"y"}, {}},
      {"OneHot", {"p", "a", "p"}, {"y"}, {}},
      {"TopK", {"x", "a"}, {"y", ""}, {}},
      {"Split", {"x", "p"}, {"y", "z"}, {}},
      {"Gather", {"x", "p"}, {"y"}, {integer("axis", a)}},
      {"Transpose", {"x"}, {"y"}, {integers("perm", {a, b})}},
      {"Concat", {"x", "x"}, {"y"}, {integer("axis", a)}},
      {"Flatten", {"x"}, {"y"}, {integer("axis", a)}},
      {"DepthToSpace", {"image"}, {"y"}, {integer("blocksize", a)}},
      {"SpaceToDepth", {"image"}, {"y"}, {integer("blocksize", a)}},
      {"Trilu", {"x", "a"}, {"y"}, {}},
      {"MaxPool", {"image"}, {"y"}, {integers("kernel_shape", {a, b})}},
      {"AveragePool", {"image"}, {"y"}, {integers("kernel_shape", {1, 1}), integers("pads", {a, b, b, a})}},
      {"Conv", {"image", "image"}, {"y"}, {integers("strides", {a, b}), integer("group", a)}},
      {"ConvTranspose", {"image", "image"}, {"y"}, {integers("output_shape", {a, b})}},
      {"ConvTranspose", {"image", "image"}, {"y"}, {integers("output_padding", {a, b}), integers("dilations", {b, a})}},
      {"LRN", {"image"}, {"y"}, {integer("size", a)}},
      {"CumSum", {"x", "a"}, {"y"}, {}},
      {"Unsqueeze", {"x", "p"}, {"y"}, {}},
      {"Squeeze", {"x", "p"}, {"y"}, {}},
      {"HannWindow", {"a"}, {"y"}, {}},
      {"BitShift", {"p", "q"}, {"y"}, {}},
      {"DFT", {"x", "a"}, {"y"}, {integer("axis", b)}},
      {"STFT", {"x", "a", "", "b"}, {"y"}, {}},
      {"Resize", {"image", "", "", "q"}, {"y"}, {}},
      {"ReduceSum", {"x", "p"}, {"y"}, {}},
      {"RandomNormal", {}, {"y"}, {integers("shape", {a, b})}},
      {"EyeLike", {"x"}, {"y"}, {integer("k", a)}},
      {"GatherND", {"x", "p"}, {"y"}, {integer("batch_dims", a)}},
      {"Shape", {"x"}, {"y"}, {integer("start", a), integer("end", b)}},
      {"Loop",
       {"a", "", "x"},
       {"y"},
       {proto::body("body",
                    proto::graph({{{"Identity", {"c"}, {"c2"}, {}}, {"Relu", {"v"}, {"v2"}, {}}},
                                  {proto::value("i", 7, {}), proto::value("c", 9, {}), proto::value("v", 1, {})},
                                  {output("c2"), output("v2")},
                                  {}}))}},
      {"MelWeightMatrix", {"a", "b", "a", "one", "one"}, {"y"}, {}},
      {"GroupNormalization", {"image", "image", "image"}, {"y"}, {integer("num_groups", a)}}};
}

TEST(OnnxHostile, SizesBeyondReason) {
  const auto tensor_of = [](std::vector<int64_t> extents, const std::string& data) {
    return read(
        proto::model(Graph{.outputs = {output("w")}, .initial = {proto::typed_tensor("w", 1, extents, data)}}, 17));
  };
  const std::string four = proto::bytes(9, "1234");
  EXPECT_TRUE(tensor_of({1}, four));
  for (int64_t n : {INT64_MAX, INT64_MIN, int64_t{-1}, int64_t{1} << 62, int64_t{1} << 40, int64_t{2}})
    EXPECT_FALSE(tensor_of({n}, four)) << n;
  EXPECT_FALSE(tensor_of({int64_t{1} << 33, int64_t{1} << 33}, four));
  EXPECT_FALSE(tensor_of({0, INT64_MAX, INT64_MAX}, ""));
  EXPECT_FALSE(tensor_of(std::vector<int64_t>(100000, 1), four));
  for (const std::string e : {"9223372036854775807", "4611686018427387904", "-9223372036854775808"}) {
    read(proto::model({{{"Relu", {"x"}, {"y"}, {}}}, {proto::value("x", 1, {e, e})}, {output("y")}, {}}, 17));
    read(proto::model({{{"Conv", {"x", "w"}, {"y"}, {}}},
                       {proto::value("x", 1, {"1", "1", e})},
                       {output("y")},
                       {proto::tensor("w", ones({1, 1, 3}))}},
                      17));
  }
  const std::vector<int64_t> extremes = {INT64_MAX, INT64_MIN, int64_t{1} << 40, -1, 0};
  for (const int64_t a : extremes)
    for (const int64_t b : extremes) {
      const std::vector<std::string> initial = {proto::tensor("x", ones({2, 3})),
                                                proto::tensor("p", tensor(std::vector<int64_t>{a, b})),
                                                proto::tensor("q", tensor(std::vector<int64_t>{a, b, b, a})),
                                                proto::tensor("a", tensor(a)),
                                                proto::tensor("b", tensor(b)),
                                                proto::tensor("image", ones({1, 1, 4, 4}))};
      for (const Node& n : asking_for_much(a, b)) read(proto::model({{n}, {}, {output("y")}, initial}, 18));
    }
}

TEST(OnnxHostile, NestingAndMultiplying) {
  // Bodies in bodies.
  std::string graph = proto::graph({{}, {}, {output("c")}, {}});
  for (int i = 0; i < 2000; ++i)
    graph = proto::graph({{{"If", {"c"}, {"r"}, {proto::body("then_branch", graph)}}}, {}, {output("r")}, {}});
  EXPECT_FALSE(read(proto::model(graph, 17)));
  // Functions that call themselves, and one another in a ring.
  const auto calls = [](const std::string& name, const std::string& other, int times) {
    proto::Function f{name, "own", {"a"}, {"b"}, {}, {}};
    for (int i = 0; i < times; ++i)
      f.nodes.push_back({other, {"a"}, {i == 0 ? "b" : "b" + std::to_string(i)}, {}, "", "own"});
    return proto::function(f);
  };
  const Graph g{{{"F0", {"x"}, {"y"}, {}, "", "own"}}, {proto::value("x", 1, {"2"})}, {output("y")}, {}};
  EXPECT_FALSE(read(proto::model(g, 17, {calls("F0", "F0", 1)})));
  EXPECT_FALSE(read(proto::model(g, 17, {calls("F0", "F1", 1), calls("F1", "F0", 1)})));
  EXPECT_FALSE(read(proto::model(g, 17, {calls("F0", "F1", 1), calls("F0", "F1", 1)})));
  // Thirty functions that each call the next twice come to a billion nodes.
  std::vector<std::string> doubling;
  for (int i = 0; i < 30; ++i) doubling.push_back(calls("F" + std::to_string(i), "F" + std::to_string(i + 1), 2));
  doubling.push_back(proto::function({"F30", "own", {"a"}, {"b"}, {}, {{"Relu", {"a"}, {"b"}, {}}}}));
  EXPECT_FALSE(read(proto::model(g, 17, doubling)));
  // Loops in loops, each written out, of constants that are computed while importing.
  std::string rounds =
      proto::graph({{{"Identity", {"c"}, {"c2"}, {}}, {"Concat", {"v", "v"}, {"v2"}, {proto::integer("axis", 0)}}},
                    {proto::value("i", 7, {}), proto::value("c", 9, {}), proto::value("v", 1, {"1"})},
                    {output("c2"), output("v2")},
                    {}});
  for (int i = 0; i < 6; ++i)
    rounds = proto::graph(
        {{{"Identity", {"c"}, {"c2"}, {}}, {"Loop", {"n", "", "v"}, {"v2"}, {proto::body("body", rounds)}}},
         {proto::value("i", 7, {}), proto::value("c", 9, {}), proto::value("v", 1, {"1"})},
         {output("c2"), output("v2")},
         {}});
  read(proto::model({{{"Loop", {"n", "", "x"}, {"y"}, {proto::body("body", rounds)}}},
                     {proto::value("x", 1, {"1"})},
                     {output("y")},
                     {proto::tensor("n", tensor(int64_t{64}))}},
                    17));
  // Very many nodes, one after the other.
  Graph chain{{}, {proto::value("x", 1, {"2"})}, {output("v20000")}, {}};
  for (int i = 0; i < 20000; ++i)
    chain.nodes.push_back({"Neg", {i == 0 ? "x" : "v" + std::to_string(i)}, {"v" + std::to_string(i + 1)}, {}});
  EXPECT_TRUE(read(proto::model(chain, 17)));
}

}  // namespace
}  // namespace tenon::testing
