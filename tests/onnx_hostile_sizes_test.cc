// ONNX files of few bytes that ask for much: each is read, or refused with an Error of one line, within 2 seconds and 1 GiB. They are
// read in a child that may take no more.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "tenon/frontend/tenon.h"
#include "tenon/frontend/transform/program.h"
#include "tenon/tests/hostile_files.h"
#include "tenon/tests/onnx_writer.h"

namespace tenon::testing {
namespace {

using proto::Graph;
using proto::Node;

std::string output(const std::string& name) { return proto::bytes(1, name); }

// A model's program, for an argument f32[2, 3] where it takes one.
void read_and_import(const std::string& path) {
  const auto program = onnx::load(path).program();
  if (program->for_inputs) program->for_inputs({ones({2, 3})});
}

HostileFile of(std::string kind, std::vector<Node> nodes, std::vector<std::string> initial = {},
               const std::vector<std::string>& functions = {}, std::vector<std::string> inputs = {}) {
  return {std::move(kind),
          proto::model({std::move(nodes), std::move(inputs), {output("y")}, std::move(initial)}, 19, functions)};
}

// The same node very often; `of` gets the number of each, whose result is y for the last.
std::vector<Node> often(int count, const std::function<Node(int)>& of) {
  std::vector<Node> nodes;
  for (int i = 0; i < count; ++i) nodes.push_back(of(i));
  nodes.back().outputs = {"y"};
  return nodes;
}

std::string numbers(const std::string& name, std::vector<int64_t> list) { return proto::tensor(name, tensor(list)); }

// Functions F0, F1 ... that each call the next one twice, 2^depth calls of the last one, whose node is given.
std::vector<std::string> doubled(int depth, const std::vector<Node>& last) {
  std::vector<std::string> functions;
  for (int i = 0; i < depth; ++i) {
    const std::string next = "F" + std::to_string(i + 1);
    functions.push_back(proto::function({"F" + std::to_string(i),
                                         "own",
                                         {"a"},
                                         {"b"},
                                         {},
                                         {{next, {"a"}, {"c"}, {}, "", "own"}, {next, {"a"}, {"b"}, {}, "", "own"}}}));
  }
  functions.push_back(proto::function({"F" + std::to_string(depth), "own", {"a"}, {"b"}, {}, last}));
  return functions;
}

TEST(OnnxHostileSizes, ComputedWhileImporting) {
  using proto::integers, proto::word;
  const int64_t large = int64_t{1} << 40;
  const std::string f64_value = proto::held("value", tensor(1.0).reshape({1}));
  const std::string letters = "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p->";
  const std::vector<HostileFile> files = {
      of("2^40 ones", {{"ConstantOfShape", {"p"}, {"y"}, {}}}, {numbers("p", {large})}),
      of("10,000 times 4,096 constants",
         often(10000, [&](int i) { return Node{"ConstantOfShape", {"p"}, {"c" + std::to_string(i)}, {f64_value}}; }),
         {numbers("p", {4096})}),
      of("10,000 products of matrices",
         often(10000, [](int i) { return Node{"MatMul", {"m", "m"}, {"c" + std::to_string(i)}, {}}; }),
         {proto::tensor("m", ones({64, 64}))}),
      of("10,000 determinants", often(10000, [](int i) { return Node{"Det", {"m"}, {"c" + std::to_string(i)}, {}}; }),
         {proto::tensor("m", ones({64, 64}))}),
      of("a window of 2^30",
         {{"MaxPool", {"x"}, {"y"}, {integers("kernel_shape", {1 << 30}), integers("pads", {1 << 30, 1 << 30})}}},
         {proto::tensor("x", ones({1, 1, 4}))}),
      of("a mean over 2^60",
         {{"AveragePool",
           {"x"},
           {"y"},
           {integers("kernel_shape", {1 << 30, 1 << 30}), integers("pads", {1 << 30, 1 << 30, 1 << 30, 1 << 30})}}},
         {proto::tensor("x", ones({1, 1, 4, 4}))}),
      of("an outer product of 16 vectors, summed",
         {{"Einsum", std::vector<std::string>(16, "v"), {"y"}, {word("equation", letters)}}},
         {proto::tensor("v", ones({4096}))}),
      of("2^20 rows on the way to none", {{"Resize", {"x", "", "", "q"}, {"y"}, {}}},
         {proto::tensor("x", ones({64, 64})), numbers("q", {(1 << 20) - 1, 0})}),
      of("a place in 2^40", {{"OneHot", {"i", "d", "v"}, {"y"}, {}}},
         {numbers("i", {3}), numbers("d", {large}), numbers("v", {0, 1})}),
      of("2^40 copies", {{"Tile", {"i", "p"}, {"y"}, {}}}, {numbers("i", {3}), numbers("p", {large})}),
      of("2^40 stretched", {{"Expand", {"i", "p"}, {"y"}, {}}}, {numbers("i", {3}), numbers("p", {large})}),
      of("2^40 counted", {{"Range", {"a", "b", "c"}, {"y"}, {}}},
         {proto::tensor("a", tensor(int64_t{0})), proto::tensor("b", tensor(large)),
          proto::tensor("c", tensor(int64_t{1}))}),
      of("2^39 counted in floats", {{"Range", {"a", "b", "c"}, {"y"}, {}}},
         {proto::tensor("a", tensor(0.f)), proto::tensor("b", tensor(5e11f)), proto::tensor("c", tensor(1.f))}),
      of("a transform of a large prime", {{"DFT", {"s"}, {"y"}, {}}}, {}, {},
         {proto::value("s", 1, {"1", "16777213", "1"})}),
      of("2^62 rounds",
         {{"Loop",
           {"n", "", "i"},
           {"y"},
           {proto::body("body",
                        proto::graph({{{"Identity", {"c"}, {"c2"}, {}}, {"Add", {"v", "v"}, {"v2"}, {}}},
                                      {proto::value("t", 7, {}), proto::value("c", 9, {}), proto::value("v", 7, {"1"})},
                                      {output("c2"), output("v2")},
                                      {}}))}}},
         {numbers("i", {3}), proto::tensor("n", tensor(int64_t{1} << 62))}),
  };
  EXPECT_EQ(faults_of("m.onnx", files, read_and_import, Expect::either), "");
}

TEST(OnnxHostileSizes, NumbersThatImportersMake) {
  using proto::integer, proto::word;
  const auto named = [](int i) { return "c" + std::to_string(i); };
  const std::string bools =
      proto::typed_tensor("b", 9, std::vector<int64_t>(1, 1 << 20), proto::bytes(9, std::string(1 << 20, 1)));
  std::vector<int64_t> long_shape(63, 1);
  long_shape.push_back(1 << 20);
  const std::string deep = proto::typed_tensor("b", 9, long_shape, proto::bytes(9, std::string(1 << 20, 1)));
  const auto sparse = [](int i) {
    return proto::bytes(1, proto::typed_tensor("s" + std::to_string(i), 1, {1}, proto::bytes(9, "1234"))) +
           proto::bytes(2, proto::tensor("", tensor({int64_t{0}}))) + proto::number(3, 1 << 26);
  };
  std::string many_sparse = proto::graph({{{"Identity", {"s0"}, {"y"}, {}}}, {}, {output("y")}, {}});
  for (int i = 0; i < 20; ++i) many_sparse += proto::bytes(15, sparse(i));
  Graph itself{{{"Identity", {"w0"}, {"y"}, {}}}, {}, {output("y")}, {}};
  for (int i = 0; i < 300; ++i) {
    const auto entry = [](const std::string& k, const std::string& v) {
      return proto::bytes(13, proto::bytes(1, k) + proto::bytes(2, v));
    };
    itself.initial.push_back(proto::typed_tensor(
        "w" + std::to_string(i), 1, {2 << 20},
        entry("location", "m.onnx") + entry("length", std::to_string(8 << 20)) + proto::number(14, 1)));
  }
  std::vector<std::string> axes(40, "1");
  axes.insert(axes.begin(), {"1", "1"});
  std::vector<std::string> places(42, "1");
  places.back() = "40";
  const std::vector<HostileFile> files = {
      of("30 windows of 2^22", often(30, [&](int i) { return Node{"HannWindow", {"n"}, {named(i)}, {}}; }),
         {proto::tensor("n", tensor(int64_t{(1 << 22) - 1}))}),
      of("30 matrices of 2^24",
         often(30, [&](int i) { return Node{"MelWeightMatrix", {"m", "n", "n", "a", "b"}, {named(i)}, {}}; }),
         {proto::tensor("m", tensor(int64_t{8192})), proto::tensor("n", tensor(int64_t{4000})),
          proto::tensor("a", tensor(0.f)), proto::tensor("b", tensor(1000.f))}),
      of("frequencies that are none", {{"MelWeightMatrix", {"m", "m", "m", "a", "a"}, {"y"}, {}}},
         {proto::tensor("m", tensor(int64_t{8})), proto::tensor("a", tensor(std::nanf("")))}),
      of("20 stretched lines",
         often(20, [&](int i) { return Node{"Resize", {"x", "", "", "q"}, {named(i)}, {word("mode", "cubic")}}; }),
         {proto::tensor("x", ones({2, 3})), numbers("q", {2, (1 << 20) - 1})}),
      of("a line shrunk by 2^21",
         {{"Resize", {"x", "", "", "q"}, {"y"}, {word("mode", "linear"), integer("antialias", 1)}}},
         {numbers("q", {1})}, {}, {proto::value("x", 1, {"2097152"})}),
      of("images of 40 axes", {{"GridSample", {"x", "g"}, {"y"}, {}}}, {}, {},
         {proto::value("x", 1, axes), proto::value("g", 1, places)}),
      of("places of 2^20 in 64 axes", {{"NonZero", {"b"}, {"y"}, {}}}, {deep}),
      of("10 times the rows of 2^20", often(10, [&](int i) { return Node{"Unique", {"b"}, {named(i)}, {}}; }), {bools}),
      {"20 sparse tensors of 2^28 bytes", proto::model(many_sparse, 19)},
      {"300 times the same 8 MiB of its own", proto::model(itself, 19) + proto::bytes(6, std::string(8 << 20, 'd'))},
  };
  EXPECT_EQ(faults_of("m.onnx", files, read_and_import), "");
}

TEST(OnnxHostileSizes, TensorsThatSayTheyAreLarge) {
  const auto tensor_of = [](std::string kind, const std::vector<int64_t>& extents, const std::string& data) {
    return HostileFile{
        std::move(kind),
        proto::model(Graph{.outputs = {output("w")}, .initial = {proto::typed_tensor("w", 1, extents, data)}}, 19)};
  };
  const auto outside = [](const std::string& offset, const std::string& length) {
    std::string data = proto::number(14, 1);
    for (const auto& [k, v] :
         {std::pair<std::string, std::string>("location", "m.onnx"), {"offset", offset}, {"length", length}})
      data += proto::bytes(13, proto::bytes(1, k) + proto::bytes(2, v));
    return data;
  };
  const int64_t large = int64_t{1} << 40;
  const std::string four = proto::bytes(9, "1234"), all = "4611686018427387904";
  const std::vector<HostileFile> files = {
      tensor_of("2^40 elements of 4 bytes", {large}, four),
      tensor_of("2^62 elements", {int64_t{1} << 31, int64_t{1} << 31}, four),
      tensor_of("2^60 elements beside the model", {int64_t{1} << 60}, outside("0", all)),
      tensor_of("2^60 elements behind 2^62 bytes", {int64_t{1} << 60}, outside(all, all)),
      tensor_of("2^38 elements beside the model", {int64_t{1} << 38}, outside("0", "1099511627776")),
      tensor_of("an element behind 2^62 bytes", {1}, outside(all, "4")),
      tensor_of("an element behind 2^64 bytes", {1}, outside("18446744073709551615", "4")),
      tensor_of("2^40 packed floats", {large}, proto::bytes(4, "1234")),
      tensor_of("2^40 packed integers", {large}, proto::bytes(7, "1234")),
  };
  EXPECT_EQ(faults_of("m.onnx", files, read_and_import), "");
}

TEST(OnnxHostileSizes, WhatIsImportedVeryOften) {
  const std::string long_name(1 << 20, 'n');
  Node attributes{"Relu", {"a"}, {"b"}, {}};
  for (int i = 0; i < 100000; ++i) attributes.attributes.push_back(proto::integer("a", i));
  const std::vector<Node> first = {{"F0", {"x"}, {"y"}, {}, "", "own"}};
  const std::vector<std::string> x = {proto::value("x", 1, {"2", "3"})};
  std::vector<std::string> many_values;
  for (int i = 0; i < (1 << 17); ++i) many_values.push_back(proto::value("v" + std::to_string(i), 1, {"1"}));
  std::string tensors, attribute_list;
  for (int i = 0; i < (1 << 18); ++i) tensors += proto::bytes(5, proto::number(1, 0) + proto::number(2, 1));
  for (int i = 0; i < (1 << 20) - 99; ++i) attribute_list += proto::bytes(5, "");
  const std::string relu = proto::graph({{{"Relu", {"x"}, {"y"}, {}}}, x, {output("y")}, {}});
  std::string nested = proto::graph({{{"Not", {"c"}, {"r"}, {}}}, {}, {output("r")}, {}});
  const std::string leaf = nested;
  for (int i = 0; i < 46; ++i)
    nested =
        proto::graph({{{"If", {"c"}, {"r"}, {proto::body("then_branch", nested), proto::body("else_branch", leaf)}}},
                      {},
                      {output("r")},
                      {}});
  std::vector<std::string> chain;
  for (int i = 0; i < 100; ++i)
    chain.push_back(proto::function({"F" + std::to_string(i),
                                     "own",
                                     {"a"},
                                     {"b"},
                                     {},
                                     {{"F" + std::to_string(i + 1), {"a"}, {"b"}, {}, "", "own"}}}));
  chain.push_back(proto::function({"F100", "own", {"a"}, {"b"}, {}, {{"Relu", {"a"}, {"b"}, {}}}}));
  const std::string growing =
      proto::graph({{{"Identity", {"c"}, {"c2"}, {}}, {"Concat", {"v", "v"}, {"v2"}, {proto::integer("axis", 0)}}},
                    {proto::value("t", 7, {}), proto::value("c", 9, {}), proto::value("v", 1, {"1"})},
                    {output("c2"), output("v2")},
                    {}});
  const std::vector<HostileFile> files = {
      of("functions 100 deep", first, {}, chain, x),
      of("64 rounds that each double a shape", {{"Loop", {"n", "", "x"}, {"y"}, {proto::body("body", growing)}}},
         {proto::tensor("n", tensor(int64_t{64}))}, {}, x),
      of("65,536 calls with a name of 1 MiB", first, {},
         doubled(16, {{"Neg", {"a"}, {long_name}, {}}, {"Neg", {long_name}, {"b"}, {}}}), x),
      of("65,536 calls with 100,000 attributes", first, {}, doubled(16, {attributes}), x),
      of("65,536 constants", first, {},
         doubled(16, {{"Constant", {}, {"k"}, {proto::held("value", ones({32}))}}, {"Exp", {"k"}, {"b"}, {}}}), x),
      of("65,536 normalisations", first, {}, doubled(16, {{"LRN", {"a"}, {"b"}, {proto::integer("size", 3)}}}),
         {proto::value("x", 1, {"1", "4", "2", "2"})}),
      {"2^18 tensors", proto::model(relu + tensors, 19)},
      {"2^20 attributes",
       proto::model(
           proto::graph({{{"Relu", {"x"}, {"y"}, {}}}, x, {output("y")}, {}}) + proto::bytes(1, attribute_list), 19)},
      of("2^17 inputs", {{"Relu", {"v0"}, {"y"}, {}}}, {}, {}, many_values),
      {"branches in branches",
       proto::model({{{"If", {"c"}, {"y"}, {proto::body("then_branch", nested), proto::body("else_branch", leaf)}}},
                     {proto::value("c", 9, {})},
                     {output("y")},
                     {}},
                    19)},
  };
  EXPECT_EQ(faults_of("m.onnx", files, read_and_import, Expect::either), "");
  std::vector<HostileFile> lengths;
  for (const uint64_t length : {uint64_t{1} << 63, UINT64_MAX, uint64_t{1} << 40})
    for (const int field : {2, 5, 7, 8, 25}) {
      const std::string open = proto::varint(static_cast<uint64_t>(field) << 3 | 2) + proto::varint(length);
      lengths.push_back({"a field of " + std::to_string(length) + " bytes", proto::number(1, 8) + open + "abc"});
      lengths.push_back({"a graph with one", proto::number(1, 8) + proto::bytes(7, open + "abc")});
      lengths.push_back({"a node with one", proto::number(1, 8) + proto::bytes(7, proto::bytes(1, open + "abc"))});
      lengths.push_back({"a tensor with one", proto::number(1, 8) + proto::bytes(7, proto::bytes(5, open + "abc"))});
    }
  EXPECT_EQ(faults_of("m.onnx", lengths, read_and_import), "");
}

}  // namespace
}  // namespace tenon::testing
