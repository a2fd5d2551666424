// What a model is called with: files that are no models, arguments that are not those that it declares, free extents where it declares
// numbers, programs that are kept for the next call, and one that ships with a free batch.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <thread>

#include "tenon/frontend/transform/program.h"
#include "tenon/tests/files.h"
#include "tenon/tests/messages.h"
#include "tenon/tests/onnx_writer.h"
#include "tenon/tests/shipped.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

using proto::Graph;
using proto::Node;

std::string output(const std::string& name) { return proto::bytes(1, name); }

// y = Relu(x w + b) over rows of 3, then the rows' sums s; the extents of x are given as text.
std::string dense(const std::string& rows, const std::string& columns) {
  return proto::model(
      {{{"Gemm", {"x", "w", "b"}, {"h"}, {}},
        {"Relu", {"h"}, {"y"}, {}},
        {"ReduceSum", {"y", "axes"}, {"s"}, {proto::integer("keepdims", 0)}}},
       {proto::value("x", 1, {rows, columns})},
       {output("y"), output("s")},
       {proto::tensor("w", arange(0, 12).astype(f32).reshape({3, 4}) / 4 - 1),
        proto::tensor("b", tensor({0.5f, -1.f, 0.f, 2.f})), proto::tensor("axes", tensor({int64_t{1}}))}},
      17);
}

Tensor rows_of(int64_t n, int64_t width) { return arange(0, n * width).astype(f32).reshape({n, width}) / 8 - 1; }

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         std::memcmp(a.raw(), b.raw(), static_cast<size_t>(a.numel() * bytes(a.dtype()))) == 0;
}

// ---- files

TEST(OnnxArguments, FilesThatAreNoModelsAreNamed) {
  const std::string folder = temporary_folder("no-model"), path = folder + "/m.onnx";
  const auto said = [&](const std::string& bytes) {
    write_file(path, bytes);
    const std::string text = message_of([&] { onnx::load(path); });
    EXPECT_HAS(text, path + " is no ONNX model: ");
    EXPECT_EQ(text.find("byte "), std::string::npos) << text;
    return text;
  };
  const std::string zeros(100, '\0');
  EXPECT_HAS(said(""), "it is empty");
  EXPECT_HAS(said("{\"a\": 1}"), "as JSON does; give the binary .onnx file");
  EXPECT_HAS(said("version https://git-lfs.github.com/spec/v1\noid sha256:00\n"), "git lfs pull");
  EXPECT_HAS(said("<!DOCTYPE html>\n<html>"), "HTML");
  EXPECT_HAS(said("<HTML>"), "HTML");
  EXPECT_HAS(said("PK\x03\x04" + zeros), "zip archive");
  EXPECT_HAS(said("GGUF\x03" + zeros), "tn::load_gguf");
  EXPECT_HAS(said("\x1f\x8b\x08" + zeros), "unpack it");
  EXPECT_HAS(said("\x89PNG\r\n\x1a\n" + zeros), "an image");
  EXPECT_HAS(said("\x93NUMPY\x01" + zeros), "tn::load_npy");
  EXPECT_HAS(said("\x80\x04\x95" + zeros), "pickle");
  EXPECT_HAS(said(std::string("\x1c\0\0\0TFL3", 8) + zeros), "TensorFlow Lite");
  EXPECT_HAS(said("module @m {\n"), "tn::stablehlo::load");
  EXPECT_HAS(said("ir_version: 8\nproducer_name: \"pytorch\"\n"), "onnx.save");
  EXPECT_HAS(said("<\n  ir_version: 8\n>"), "onnx.save");
  EXPECT_HAS(said("hello, world\nand more"), "it is text, and begins with 'hello, world'");
  EXPECT_HAS(said(std::string("\xff\xfe\0\x01\x02", 5)), "its first bytes are ff fe 00 01 02");
  EXPECT_HAS(said(proto::tensor("w", ones({2, 3}))), "a single tensor");
  save_safetensors(path, std::map<std::string, Tensor>{{"w", ones({3})}});
  EXPECT_HAS(said(read_file(path)), "tn::load_safetensors");
  EXPECT_HAS(message_of([&] { onnx::load(folder); }), "a folder");
  EXPECT_HAS(message_of([] { onnx::parse("models/m.onnx"); }), "the name of a file; tn::onnx::load");
  // What is wrong in a model is found by its byte.
  const std::string model = dense("n", "3");
  write_file(path, model.substr(0, model.size() / 2));
  EXPECT_HAS(message_of([&] { onnx::load(path); }), path + ", byte ");
  write_file(path, proto::number(1, 8) + proto::bytes(7, "\x07"));
  EXPECT_HAS(message_of([&] { onnx::load(path); }), path + ", byte ");
  write_file(path, proto::number(1, 8));
  EXPECT_HAS(message_of([&] { onnx::load(path); }), "there is no graph in it, so it is no ONNX model");
  std::filesystem::remove_all(folder);
}

// ---- calls

TEST(OnnxArguments, MistakesNameTheInput) {
  const Traced open = onnx::parse(dense("rows", "3")), fixed = onnx::parse(dense("2", "3"));
  const Tensor x = rows_of(2, 3);
  for (const Traced& f : {open, fixed}) {
    EXPECT_HAS(message_of([&] { f({}); }), "the model takes 1 tensors, not 0: 'x' f32[");
    EXPECT_HAS(message_of([&] { f({x, x}); }), "the model takes 1 tensors, not 2: 'x' f32[");
    EXPECT_HAS(message_of([&] { f({Tensor()}); }), "input 'x'");
    EXPECT_HAS(message_of([&] { f({Tensor()}); }), "argument 0 is an undefined tensor");
    EXPECT_HAS(message_of([&] { f({x.astype(f64)}); }), "input 'x' is declared as f32[");
    EXPECT_HAS(message_of([&] { f({x.astype(f64)}); }), "its dtype is another");
    EXPECT_HAS(message_of([&] { f({x.reshape({6})}); }), "it has 1 axes, not 2");
    EXPECT_HAS(message_of([&] { f({rows_of(2, 4)}); }), "its axis 1 is 4, not 3");
    EXPECT_HAS(message_of([&] { f({rows_of(2, 4)}); }), "onnx_arguments_test.cc");
    EXPECT_HAS(message_of([&] { jit([&](const Tensor& t) { return f({t})[0]; })(rows_of(2, 4)); }), "input 'x'");
  }
  EXPECT_HAS(message_of([&] { fixed({rows_of(3, 3)}); }), "its axis 0 is 3, not 2");
  EXPECT_HAS(message_of([&] { open({rows_of(2, 4)}); }), "f32[rows, 3]");
  const Traced two = onnx::parse(proto::model({{{"Add", {"a", "b"}, {"y"}, {}}},
                                               {proto::value("a", 1, {"n", "2"}), proto::value("b", 1, {"n", "?"})},
                                               {output("y")},
                                               {}},
                                              17));
  const std::string apart = message_of([&] { two({rows_of(3, 2), rows_of(4, 2)}); });
  EXPECT_HAS(apart, "input 'b' is declared as f32[n, ?]");
  EXPECT_HAS(apart, "its axis 0 is 4, and 'n' is 3 in input 'a'");
}

// ---- free extents

TEST(OnnxArguments, FreeExtentsAreWhatTheModelDeclares) {
  for (const char* rows : {"n", "2"}) {
    const Traced f = onnx::parse(dense(rows, "3"));
    const auto both = [&](const Tensor& x) { return f({x}); };
    const auto free = jit(both, {.dynamic = true});
    const Tensor x = rows_of(2, 3);
    for (size_t i : {0, 1}) EXPECT_TRUE(same_bits(free(x)[i], f({x})[i])) << rows;
    EXPECT_HAS(message_of([&] { free(rows_of(2, 4)); }), "the extents size1 and 3 are not equal: 4 and 3");
    EXPECT_HAS(message_of([&] { free(rows_of(5, 4)); }), "are not equal");
    // Bounds that never meet what is declared are refused at once.
    const auto never = spec({2, dim("arguments_wide", 4, 9)}, f32);
    const std::string said = message_of([&] { jit(both).lower(never); });
    EXPECT_HAS(said, "input 'x' is declared as f32[");
    EXPECT_HAS(said, "its axis 1 is arguments_wide, not 3");
    // A derivative is that of the argument as it was given.
    const auto slope = [&](const Tensor& t) { return grad([&](const Tensor& u) { return sum(f({u})[1]); })(t); };
    EXPECT_TRUE(same_bits(jit(slope, {.dynamic = true})(x), slope(x)));
  }
}

// A batch may be free where images are resampled; what is resampled may not, and is named.
TEST(OnnxArguments, ResampledExtentsAreNumbers) {
  for (const bool by_scale : {true, false}) {
    std::vector<Node> nodes = {{"Resize", {"x", "", "by"}, {"y"}, {proto::word("mode", "linear")}}};
    if (!by_scale)  // as exporters write it: the batch and the channels as they are
      nodes = {{"Shape", {"x"}, {"s"}, {}},
               {"Slice", {"s", "zero", "two"}, {"front"}, {}},
               {"Concat", {"front", "to"}, {"sizes"}, {proto::integer("axis", 0)}},
               {"Resize", {"x", "", "", "sizes"}, {"y"}, {proto::word("mode", "linear")}}};
    const Traced f = onnx::parse(proto::model(
        {nodes,
         {proto::value("x", 1, {"n", "2", "h", "w"})},
         {output("y")},
         {proto::tensor("by", tensor({1.f, 1.f, 2.f, 2.f})), proto::tensor("zero", tensor({int64_t{0}})),
          proto::tensor("two", tensor({int64_t{2}})), proto::tensor("to", tensor(std::vector<int64_t>{6, 8}))}},
        17));
    const auto call = [&](const Tensor& x) { return f({x})[0]; };
    const auto free = jit(call, {.dynamic = {{0, 0, dim("resampled_n", 1, 9)}}});
    for (int64_t n : {1, 3, 4}) {
      const Tensor x = normal(key(1), {n, 2, 3, 4});
      EXPECT_EQ(free(x).shape(), (Shape{n, 2, 6, 8}));
      EXPECT_TRUE(same_bits(free(x), call(x)));
    }
    const std::string said = message_of([&] { jit(call).lower(spec({1, 2, dim("resampled_h", 2, 9), 4}, f32)); });
    EXPECT_HAS(said, "resampling takes a number, and axis 2 of its input is resampled_h, which is free: give it as");
  }
}

// Extents of one name are one, whether an argument brings a number or not.
TEST(OnnxArguments, FreeExtentsOfOneNameAreOne) {
  const Traced f = onnx::parse(proto::model(
      {{{"Add", {"a", "b"}, {"y"}, {}}}, {proto::value("a", 1, {"n"}), proto::value("b", 1, {"n"})}, {output("y")}, {}},
      17));
  const auto call = [&](const Tensor& a, const Tensor& b) { return f({a, b})[0]; };
  const Dim first = dim("first_n", 1, 9), second = dim("second_n", 1, 9);
  const Tensor x = tensor({1.f, 2.f, 3.f}), four = ones({4});
  const auto two = jit(call, {.dynamic = {{0, 0, first}, {1, 0, second}}});
  for (const Tensor& t : {x, four, ones({1})}) EXPECT_TRUE(same_bits(two(t, t), t + t));
  EXPECT_HAS(message_of([&] { two(x, four); }),
             "the extents first_n and second_n are not equal: 3 and 4, with first_n = 3, second_n = 4");
  EXPECT_HAS(message_of([&] { two(four, x); }), "are not equal");
  const auto last = jit(call, {.dynamic = {{1, 0, second}}}), front = jit(call, {.dynamic = {{0, 0, first}}});
  for (const Tensor& t : {x, four, ones({1})})
    for (const auto* g : {&last, &front}) EXPECT_TRUE(same_bits((*g)(t, t), t + t));
  EXPECT_HAS(message_of([&] { last(x, four); }), "are not equal");
  EXPECT_HAS(message_of([&] { front(x, four); }), "are not equal");
}

// ---- programs that are kept

TEST(OnnxArguments, ProgramsAreKeptByExtentsAndValues) {
  const Traced f = onnx::parse(dense("n", "3"));
  const auto& made = f.program()->for_inputs;
  EXPECT_EQ(made({rows_of(2, 3)}), made({rows_of(2, 3) + 1}));
  EXPECT_NE(made({rows_of(2, 3)}), made({rows_of(3, 3)}));
  const auto first = made({rows_of(1, 3)});
  for (int64_t n = 2; n <= 16; ++n) made({rows_of(n, 3)});
  EXPECT_EQ(first, made({rows_of(1, 3)}));  // sixteen are kept
  made({rows_of(17, 3)});
  EXPECT_EQ(first, made({rows_of(1, 3)}));  // what was used longest ago went
  for (int64_t n = 18; n <= 33; ++n) made({rows_of(n, 3)});
  EXPECT_NE(first, made({rows_of(1, 3)}));

  // Where shapes depend on values, by these, and by what they were: the caller may write into its tensors.
  const Traced g = onnx::parse(proto::model({{{"Reshape", {"x", "s"}, {"y"}, {}}},
                                             {proto::value("x", 1, {"12"}), proto::value("s", 7, {"2"})},
                                             {output("y")},
                                             {}},
                                            17));
  const Tensor x = arange(0, 12).astype(f32);
  Tensor s = tensor(std::vector<int64_t>{3, 4});
  EXPECT_EQ(g({x, s})[0].shape(), (Shape{3, 4}));
  EXPECT_EQ(g.program()->for_inputs({x, s}), g.program()->for_inputs({x + 1, s + 0}));
  {
    const NoGrad none;
    s -= tensor(std::vector<int64_t>{1, -2});
    s.data() += 0;
  }
  EXPECT_EQ(g({x, s})[0].shape(), (Shape{2, 6}));
  EXPECT_EQ(g({x, tensor(std::vector<int64_t>{3, 4})})[0].shape(), (Shape{3, 4}));
}

TEST(OnnxArguments, ThreadsShareKeptPrograms) {
  const Traced f = onnx::parse(dense("n", "3"));
  std::vector<Tensor> expected(21);
  for (int64_t n = 1; n <= 20; ++n) expected[static_cast<size_t>(n)] = onnx::parse(dense("n", "3"))({rows_of(n, 3)})[1];
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 60; ++i) {
        const int64_t n = 1 + (i * 7 + t * 3) % 20;
        if (!same_bits(f({rows_of(n, 3)})[1], expected[static_cast<size_t>(n)])) ++wrong;
      }
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}

// ---- shipping

// A convolution, pooling and a dense layer over images of a free batch, in somebody else's C program.
TEST(OnnxArguments, ShipsWithAFreeBatch) {
  const std::string folder = temporary_folder("onnx-ship");
  const Graph net{
      {{"Conv", {"x", "k", "kb"}, {"c"}, {proto::integers("pads", {1, 1, 1, 1})}},
       {"Relu", {"c"}, {"r"}, {}},
       {"MaxPool", {"r"}, {"p"}, {proto::integers("kernel_shape", {2, 2}), proto::integers("strides", {2, 2})}},
       {"Flatten", {"p"}, {"f"}, {}},
       {"Gemm", {"f", "w", "b"}, {"g"}, {}},
       {"Softmax", {"g"}, {"y"}, {}}},
      {proto::value("x", 1, {"batch", "2", "6", "6"})},
      {output("y")},
      {proto::tensor("k", normal(key(1), {4, 2, 3, 3})), proto::tensor("kb", normal(key(2), {4})),
       proto::tensor("w", normal(key(3), {36, 5})), proto::tensor("b", normal(key(4), {5}))}};
  const Traced f = onnx::parse(proto::model(net, 17));
  const auto step = jit([&](const Tensor& x) { return f({x})[0]; });
  aot::save(step, {.name = "net", .out = folder, .arguments = {"x"}}, spec({dim("batch", 1, 64), 2, 6, 6}, f32));
  std::string source = "#include <stdint.h>\n#include <stdio.h>\n#include <string.h>\n#include \"net.h\"\n";
  std::string checks;
  for (int64_t n : {1, 2, 7}) {
    const Tensor x = normal(key(static_cast<uint64_t>(10 + n)), {n, 2, 6, 6});
    const auto words = [](const Tensor& t) {
      std::string text;
      const auto* bits = static_cast<const uint32_t*>(t.raw());
      for (int64_t i = 0; i < t.numel(); ++i) text += std::to_string(bits[i]) + "u,";
      return text;
    };
    const std::string id = std::to_string(n);
    source +=
        "static const uint32_t x" + id + "[] = {" + words(x) + "}, want" + id + "[] = {" + words(step(x)) + "};\n";
    checks += "  memcpy(x, x" + id + ", sizeof x" + id + ");\n  code = net_typed(x, y, " + id +
              ");\n  printf(\"%d %d\\n\", (int)code, memcmp(y, want" + id + ", sizeof want" + id + "));\n";
  }
  source += "static float x[7 * 72], y[7 * 5];\nint main(void) {\n  int32_t code;\n" + checks +
            "  printf(\"%d %d\\n\", net_typed(x, y, 0) == TENON_BAD_EXTENT, net_typed(x, y, 65) == TENON_BAD_EXTENT);\n"
            "  return 0;\n}\n";
  const Ran ran = run_shipped(folder, {.text = source, .objects = {"net.o"}});
  EXPECT_EQ(ran.output, "0 0\n0 0\n0 0\n1 1\n");
  EXPECT_EQ(ran.status, 0);
  // An axis that the model declares as a number may be free, and is checked at the call.
  const Traced small = onnx::parse(dense("batch", "3"));
  aot::save(jit([&](const Tensor& x) { return small({x})[1]; }), {.name = "small", .out = folder, .arguments = {"x"}},
            spec({dim("batch", 1, 64), dim("width", 1, 64)}, f32));
  const std::string text = R"(#include <stdio.h>
#include "small.h"
int main(void) {
  float x[8] = {-1, 0, 1, 2, 3, 4}, y[2];
  int32_t code = small_typed(x, y, 2, 3);
  printf("%d %g %g\n", (int)code, (double)y[0], (double)y[1]);
  printf("%d\n", small_typed(x, y, 2, 4) == TENON_BAD_EXTENT);
  return 0;
})";
  const std::vector<float> wanted =
      small({tensor({-1.f, 0.f, 1.f, 2.f, 3.f, 4.f}).reshape({2, 3})})[1].to_vector<float>();
  char line[64];
  std::snprintf(line, sizeof line, "0 %g %g\n1\n", static_cast<double>(wanted[0]), static_cast<double>(wanted[1]));
  EXPECT_EQ(run_shipped(folder, {.text = text, .objects = {"small.o"}}).output, line);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace tenon::testing
