// Objects for AArch64 run under qemu and give the bits of this machine, over a table of programs and special values. Skipped,
// with what is missing, where there is no cross compiler or no qemu; ./dev installs both.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>

#include "tenon/tests/aarch64.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

// Numbers of every kind: special ones first, then random ones, small and large.
Tensor numbers(const Shape& shape, uint32_t seed, double scale = 4) {
  static const float special[] = {0.f,     -0.f,    1.f,     -1.f,       INFINITY,        -INFINITY, NAN,
                                  1e-40f,  -1e-45f, 3.4e38f, -3.4e38f,   1.17549435e-38f, 0.5f,      88.7f,
                                  -103.9f, 65504.f, 6e-8f,   16777217.f, 1e10f,           2.5f};
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, static_cast<float>(scale));
  std::vector<float> values(static_cast<size_t>(shape.numel()));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = seed % 2 == 1 && i < std::size(special) ? special[i] : normal(random);
  return copy_from(values.data(), shape, f32);
}

struct Row {
  const char* name;
  std::function<std::vector<Tensor>(const std::vector<Tensor>&)> program;
  std::vector<Tensor> inputs;
};

std::vector<Row> numeric_rows() {
  const Tensor wide = numbers({5, 37}, 1), tame = numbers({5, 37}, 2, 1);
  return {
      {"elementwise",
       [](const auto& v) -> std::vector<Tensor> {
         const Tensor &x = v[0], &y = v[1];
         return {exp(x),   log(x),   sin(x),       cos(x),    tanh(x),       sqrt(x),
                 x / y,    gelu(x),  sigmoid(x),   pow(x, y), maximum(x, y), minimum(x, y),
                 floor(x), round(x), fma(x, y, x), erf(x),    log1p(x),      expm1(x)};
       },
       {wide, tame}},
      {"doubles",
       [](const auto& v) -> std::vector<Tensor> {
         const Tensor x = v[0].astype(f64), y = v[1].astype(f64) / 3;
         return {exp(x), log(x), sin(x), x * y + x, sqrt(x), sum(y), matmul(y, y.transpose()), x.astype(f32)};
       },
       {wide, tame}},
      {"rows",
       [](const auto& v) -> std::vector<Tensor> {
         return {sum(v[0], {.axes = {1}}), max(v[0], {.axes = {1}}), argmax(v[1], 1), mean(v[1], {.axes = {1}}),
                 sum(v[1])};
       },
       {wide, tame}},
      {"columns",
       [](const auto& v) -> std::vector<Tensor> {
         return {sum(v[1], {.axes = {0}}), min(v[0], {.axes = {0}}), argmin(v[1], 0), prod(v[1], {.axes = {0}})};
       },
       {wide, tame}},
      {"long_row", [](const auto& v) -> std::vector<Tensor> { return {sum(v[0]), max(v[0])}; }, {numbers({70001}, 8)}},
      {"softmax",
       [](const auto& v) -> std::vector<Tensor> { return {softmax(v[1], 1), log_softmax(v[1], 1), softmax(v[0], 0)}; },
       {wide, tame}},
      {"matmul",
       [](const auto& v) -> std::vector<Tensor> {
         return {relu(matmul(v[0], v[1]) + 1), matmul(v[0].astype(f64), v[1].astype(f64)), matmul(v[2], v[3])};
       },
       {numbers({37, 150}, 10), numbers({150, 65}, 12), numbers({3, 20}, 14), numbers({20, 7}, 16)}},
      {"conv",
       [](const auto& v) -> std::vector<Tensor> {
         return {convolution(v[0], v[1], {.strides = {2, 1}, .low = {1, 1}, .high = {1, 1}})};
       },
       {numbers({2, 9, 8, 3}, 18), numbers({3, 3, 3, 4}, 20)}},
  };
}

std::vector<Row> other_rows() {
  const Tensor wide = numbers({5, 37}, 1), tame = numbers({5, 37}, 2, 1), line = numbers({300}, 3);
  const Tensor whole = numbers({5, 37}, 4, 1000).astype(i32), counts = numbers({64}, 6, 50).astype(i64);
  const auto halves = [](DType t) {
    return [t](const std::vector<Tensor>& v) -> std::vector<Tensor> {
      const Tensor h = v[0].astype(t), k = v[1].astype(t);
      return {h, h + k, exp(h), sum(h * k, {.axes = {1}}), h.astype(f32), (h > k), v[2].astype(t).astype(f64)};
    };
  };
  return {
      {"past_the_caches",
       [](const auto& v) -> std::vector<Tensor> { return {v[0] * 2 + 1, v[0].astype(f16)}; },
       {numbers({1310723}, 24)}},
      {"gather_scatter",
       [](const auto& v) -> std::vector<Tensor> {
         const Tensor at = abs(v[1]) % 5;
         return {take(v[0], at, 0), scatter_add(v[0], at, ones({64, 37}) * 0.1f, 0)};
       },
       {tame, counts}},
      {"sort",
       [](const auto& v) -> std::vector<Tensor> { return {sort(v[0], 1), argsort(v[1], 0), cumsum(v[1], 1)}; },
       {wide, tame}},
      {"scan_while",
       [](const auto& v) -> std::vector<Tensor> {
         const auto [last, all] = scan(
             [](const Tensor& carry, const Tensor& row) {
               const Tensor next = carry * 0.5f + tanh(row);
               return std::make_pair(next, next * 2);
             },
             zeros({37}), v[0]);
         const Tensor grown = while_loop([](const Tensor& x) { return sum(x) < 100; },
                                         [](const Tensor& x) { return x * 1.5f + 1; }, abs(v[0][0]));
         return {last, all, grown};
       },
       {tame}},
      {"integers",
       [](const auto& v) -> std::vector<Tensor> {
         const Tensor &x = v[0], &y = v[1];
         return {x / (y % 4),
                 x % (y % 7),
                 x / 3,
                 x * y,
                 x << (y % 40),
                 x >> 3,
                 x.astype(i8) / (y.astype(i8) % 3),
                 x.astype(u8),
                 v[2].astype(i32),
                 v[2].astype(u8),
                 v[2].astype(i64),
                 x.astype(f32) / 7};
       },
       {whole, numbers({5, 37}, 22, 1000).astype(i32), wide}},
      {"f16", halves(f16), {wide, tame, line.astype(f64) * 1.0000001}},
      {"bf16", halves(bf16), {wide, tame, line.astype(f64) * 1.0000001}},
  };
}

std::string bytes_of(const Tensor& t) {
  return {static_cast<const char*>(t.raw()), static_cast<size_t>(t.numel() * bytes(t.dtype()))};
}

// All NaNs are one value.
template <class T>
void one_nan(std::string& bytes, T exponent, T sign, T quiet) {
  for (size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T)) {
    T v;
    std::memcpy(&v, bytes.data() + at, sizeof v);
    if ((v & static_cast<T>(~sign)) <= exponent) continue;
    std::memcpy(bytes.data() + at, &quiet, sizeof quiet);
  }
}
std::string canonical(std::string bytes, DType t) {
  if (t == f32) one_nan<uint32_t>(bytes, 0x7f800000u, 0x80000000u, 0x7fc00000u);
  if (t == f64) one_nan<uint64_t>(bytes, 0x7ff0000000000000u, 0x8000000000000000u, 0x7ff8000000000000u);
  if (t == f16) one_nan<uint16_t>(bytes, 0x7c00, 0x8000, 0x7e00);
  if (t == bf16) one_nan<uint16_t>(bytes, 0x7f80, 0x8000, 0x7fc0);
  return bytes;
}

// Reads each program's inputs from a file, runs it, and appends its outputs to another.
std::string driver(const std::vector<Row>& table) {
  std::string source = "#include <stdio.h>\n#include <stdlib.h>\n#include <fenv.h>\n";
  for (const Row& row : table) source += "#include \"" + std::string(row.name) + ".h\"\n";
  source += R"(
static const char* folder;
static int run(const char* name, int (*f)(const void* const*, void* const*, const int64_t*, const tenon_env*), int n,
               const uint64_t* in, int m, const uint64_t* out) {
  const void* inputs[16]; void* outputs[32]; char path[4096];
  snprintf(path, sizeof path, "%s/%s.in", folder, name);
  FILE* file = fopen(path, "rb");
  if (!file) return 1;
  for (int k = 0; k < n; k++) {
    void* p = malloc(in[k] + 64);
    if (fread(p, 1, in[k], file) != in[k]) return 2;
    inputs[k] = p;
  }
  fclose(file);
  for (int k = 0; k < m; k++) outputs[k] = malloc(out[k] + 64);
  fesetround(FE_UPWARD); /* the caller's environment is neither used nor changed */
  int code = f(inputs, outputs, NULL, NULL);
  if (fegetround() != FE_UPWARD) code = 3;
  fesetround(FE_TONEAREST);
  snprintf(path, sizeof path, "%s/%s.out", folder, name);
  file = fopen(path, "wb");
  for (int k = 0; k < m; k++) fwrite(outputs[k], 1, out[k], file);
  fclose(file);
  if (code) printf("%s: %d\n", name, code);
  return code;
}
int main(int argc, char** argv) {
  int bad = argc != 2;
  folder = argv[1];
)";
  for (const Row& row : table) {
    const std::string n = row.name;
    source += "  bad |= run(\"" + n + "\", " + n + "_run, " + n + "_inputs, " + n + "_input_bytes, " + n +
              "_outputs, " + n + "_output_bytes) != 0;\n";
  }
  return source + "  return bad;\n}\n";
}

TEST(AArch64, ObjectsGiveTheBitsOfThisMachine) {
  if (const std::string missing = missing_for_aarch64(); !missing.empty()) GTEST_SKIP() << missing;
  const std::string folder = temporary_folder("aarch64");
  std::vector<Row> table = numeric_rows();
  for (Row& row : other_rows()) table.push_back(std::move(row));
  std::vector<std::string> objects;
  std::vector<std::vector<Tensor>> expected;
  for (const Row& row : table) {
    const auto f = jit(row.program);
    expected.push_back(f(row.inputs));
    aot::save(f, {.name = row.name, .out = folder, .target = "aarch64-linux-gnu"}, row.inputs);
    std::ofstream in(folder + "/" + row.name + ".in", std::ios::binary);
    for (const Tensor& t : row.inputs) in << bytes_of(t);
    objects.push_back(std::string(row.name) + ".o");
  }
  const Ran ran = run_on_aarch64(folder, driver(table), objects);
  EXPECT_EQ(ran.status, 0) << ran.output;
  for (size_t k = 0; k < table.size(); ++k) {
    std::ifstream file(folder + "/" + table[k].name + ".out", std::ios::binary);
    for (size_t o = 0; o < expected[k].size(); ++o) {
      const Tensor& t = expected[k][o];
      std::string got(bytes_of(t).size(), '\0');
      file.read(got.data(), static_cast<std::streamsize>(got.size()));
      const std::string wanted = canonical(bytes_of(t), t.dtype());
      got = canonical(got, t.dtype());
      const auto at = std::mismatch(got.begin(), got.end(), wanted.begin()).first - got.begin();
      EXPECT_EQ(got == wanted, true) << table[k].name << ", output " << o << ", element " << at / bytes(t.dtype());
    }
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace tenon::testing
