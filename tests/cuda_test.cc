// CUDA rendering: golden text for the shapes of kernel that a grid runs differently, and every op and reduction compiled by
// NVRTC where it is installed. Compiling is the check on machines without a GPU; nothing here launches.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tenon/codegen/codegen.h"
#include "tenon/ir/scalar.h"

namespace tenon {
namespace {

using namespace ir;
using codegen::CudaSource;

// y[i, j] = fn(x0[i, j], x1[i, j] ...) over f-dtype rows.
template <class Fn>
Kernel map_kernel(const std::string& name, std::vector<DType> operands, DType result, Fn fn) {
  auto symbols = std::make_shared<Symbols>();
  const Dim n = symbols->add("n"), m = symbols->add("m");
  KernelBuilder b(name, symbols);
  std::vector<BufferId> inputs;
  for (size_t k = 0; k < operands.size(); ++k)
    inputs.push_back(b.buffer("x" + std::to_string(k), operands[k], Shape{n, m}, Space::input));
  const BufferId y = b.buffer("y", result, Shape{n, m}, Space::output);
  const ScalarId i = b.open_loop(LoopKind::parallel, b.extent(n))[0], j = b.open_loop(LoopKind::vector, b.extent(m))[0];
  const ScalarId at[] = {i, j};
  std::vector<Scalar> values;
  for (BufferId x : inputs) values.push_back({&b, b.load(x, at)});
  const Scalar value = fn(b, values);
  b.store(y, at, value.id);
  b.close_loop();
  b.close_loop();
  return b.finish();
}

Kernel op_kernel(Op op, DType t, DType to) {
  const OpDef& row = def(op);
  std::vector<DType> types(static_cast<size_t>(row.arity), t);
  if (op == Op::select) types[0] = boolean;
  const std::string name = std::string(row.name) + "_" + std::string(tenon::name(t)) +
                           (op == Op::cast || op == Op::bitcast ? "_" + std::string(tenon::name(to)) : "");
  return map_kernel(name, types, result_dtype(op, types, to), [&](KernelBuilder& b, std::vector<Scalar>& v) {
    std::vector<ScalarId> ids;
    for (Scalar s : v) ids.push_back(s.id);
    return Scalar{&b, b.scalar(op, ids, to)};
  });
}

// y[i] = reduction of x[i, :] (or of x[:, i], each column by one thread).
Kernel reduce_kernel(Op combine, DType t, bool row) {
  auto symbols = std::make_shared<Symbols>();
  const Dim n = symbols->add("n"), m = symbols->add("m");
  KernelBuilder b(std::string(def(combine).name) + (row ? "_row_" : "_column_") + std::string(name(t)), symbols);
  const BufferId x = b.buffer("x", t, row ? Shape{n, m} : Shape{m, n}, Space::input);
  const bool place = combine == Op::argmax || combine == Op::argmin;
  const BufferId y = b.buffer("y", place ? i64 : t, Shape{n}, Space::output);
  const ScalarId i = b.open_loop(row ? LoopKind::parallel : LoopKind::vector, b.extent(n))[0];
  const ScalarId j = b.open_reduce({combine}, row ? row_tree : column_tree, b.extent(m));
  const ScalarId at[] = {row ? i : j, row ? j : i};
  const ScalarId value = b.load(x, at);
  const ScalarId total = b.close_reduce(std::span(&value, 1))[0];
  b.store(y, std::span(&i, 1), total);
  b.close_loop();
  return b.finish();
}

// One read and one write: the row is kept in scratch between the phases. Softmax, or the same with an exact op in place of
// exp, whose expansion golden text should not hold.
Kernel softmax_kernel(Dim columns, std::shared_ptr<Symbols> symbols, bool exact = false) {
  const Dim n = symbols->add("n");
  KernelBuilder b(exact ? "row_kept" : "softmax", symbols);
  const BufferId x = b.buffer("x", f32, Shape{n, columns}, Space::input);
  const BufferId y = b.buffer("y", f32, Shape{n, columns}, Space::output);
  const ScalarId m = b.extent(columns);
  const ScalarId i = b.open_loop(LoopKind::parallel, b.extent(n))[0];
  const BufferId kept = b.scratch("kept", f32, Shape{columns});
  const auto element = [&](ScalarId j) {
    const ScalarId at[] = {i, j};
    return b.load(x, at);
  };
  ScalarId j = b.open_reduce({Op::max}, row_tree, m);
  ScalarId value = element(j);
  const Scalar largest{&b, b.close_reduce(std::span(&value, 1))[0]};
  j = b.open_reduce({Op::add}, row_tree, m);
  const Scalar below = Scalar{&b, element(j)} - largest;
  value = exact ? abs(below).id : exp(below).id;
  b.store(kept, std::span(&j, 1), value);
  const Scalar sum{&b, b.close_reduce(std::span(&value, 1))[0]};
  const Scalar one = like(sum, 1), factor = one / sum;
  j = b.open_loop(LoopKind::vector, m)[0];
  const Scalar result = Scalar{&b, b.load(kept, std::span(&j, 1))} * factor;
  const ScalarId at[] = {i, j};
  b.store(y, at, result.id);
  b.close_loop();
  b.close_loop();
  return b.finish();
}

// Mean and variance from one pass over sums, several reductions at once.
Kernel layer_norm_kernel() {
  auto symbols = std::make_shared<Symbols>();
  const Dim n = symbols->add("n"), m = symbols->add("m");
  KernelBuilder b("layer_norm", symbols);
  const BufferId x = b.buffer("x", bf16, Shape{n, m}, Space::input), scale_ = b.buffer("scale", f32, Shape{m}, Space::input);
  const BufferId y = b.buffer("y", bf16, Shape{n, m}, Space::output);
  const ScalarId i = b.open_loop(LoopKind::parallel, b.extent(n))[0];
  const auto element = [&](ScalarId j) {
    const ScalarId at[] = {i, j};
    return cast(Scalar{&b, b.load(x, at)}, f32);
  };
  ScalarId j = b.open_reduce({Op::add, Op::add}, row_tree, b.extent(m));
  const Scalar value = element(j), squared = value * value;
  const ScalarId yields[] = {value.id, squared.id};
  const std::vector<ScalarId> sums = b.close_reduce(yields);
  const Scalar count = cast(Scalar{&b, b.extent(m)}, f32), mean = Scalar{&b, sums[0]} / count;
  const Scalar of_squares = Scalar{&b, sums[1]} / count, square = mean * mean, variance = of_squares - square;
  const Scalar inverse = rsqrt(variance + like(variance, 1e-5));
  j = b.open_loop(LoopKind::vector, b.extent(m))[0];
  const Scalar centred = element(j) - mean, normal = centred * inverse;
  const ScalarId at[] = {i, j};
  b.store(y, at, cast(normal * Scalar{&b, b.load(scale_, std::span(&j, 1))}, bf16).id);
  b.close_loop();
  b.close_loop();
  return b.finish();
}

CudaSource render(const Kernel& kernel) {
  EXPECT_EQ(verify(kernel), std::vector<std::string>{}) << kernel.text();
  CudaSource source = codegen::render_cuda(kernel, {});
  EXPECT_EQ(source.reason, "");
  return source;
}

// ---- golden text: tests/cuda/NAME.cu.txt; TENON_BLESS=1 writes it
void expect_golden(const Kernel& kernel) {
  const std::string path = std::string(TENON_SOURCE_DIR) + "/tests/cuda/" + kernel.name + ".cu.txt";
  const std::string text = kernel.text() + "\n" + render(kernel).text;
  if (const char* bless = std::getenv("TENON_BLESS"); bless && *bless) {
    std::ofstream(path) << text;
    return;
  }
  std::ifstream file(path);
  std::ostringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(text, golden.str()) << "TENON_BLESS=1 writes " << path;
}

TEST(CudaText, Map) {
  expect_golden(map_kernel("relu", {f32}, f32, [](KernelBuilder&, std::vector<Scalar>& v) {
    return max(v[0], like(v[0], 0));
  }));
}
TEST(CudaText, RowReduction) { expect_golden(reduce_kernel(Op::add, f32, true)); }
TEST(CudaText, ColumnReduction) { expect_golden(reduce_kernel(Op::argmax, f32, false)); }
TEST(CudaText, RowKeptInScratch) {
  auto symbols = std::make_shared<Symbols>();
  const Dim m = symbols->add("m");
  expect_golden(softmax_kernel(m, symbols, true));
}
TEST(CudaText, ScratchOfKnownSizeIsStatic) {
  const std::string text = render(softmax_kernel(1024, std::make_shared<Symbols>())).text;
  EXPECT_NE(text.find("__shared__ f32 b_kept[1025];"), std::string::npos) << text;
}
TEST(CudaText, RefusesContractions) {
  const Kernel kernel = parse_kernel(
      "kernel @dot(%y: out f32[n, n]) { contract f32 [1, n, n, n] { lhs %0, %1, %2 { yield f32 1 } rhs %3, %4, %5 { yield "
      "f32 2 } epilogue %6, %7, %8, %9 { store %y[%7, %8], %9 } } }");
  const CudaSource source = codegen::render_cuda(kernel, {});
  EXPECT_EQ(source.text, "");
  EXPECT_EQ(source.reason, "kernel @dot holds a contraction");
}

// ---- every kernel compiles: many in one module, for a compile has a floor of its own
void expect_compiles(std::vector<CudaSource> sources) {
  for (size_t begin = 0; begin < sources.size(); begin += 64) {
    const size_t count = std::min<size_t>(64, sources.size() - begin);
    const std::string module = codegen::cuda_module(std::span(sources).subspan(begin, count));
    const codegen::Cubin cubin = codegen::compile_cuda(module, 90);
    if (!cubin.found) GTEST_SKIP() << cubin.log;
    ASSERT_TRUE(cubin.ok) << cubin.log.substr(0, 4000);
    EXPECT_EQ(cubin.image.substr(1, 3), "ELF");
    for (size_t k = begin; k < begin + count; ++k)
      EXPECT_NE(cubin.image.find(sources[k].entry), std::string::npos) << sources[k].entry;
  }
}

TEST(Nvrtc, CompilesEveryExactOp) {
  std::vector<CudaSource> sources;
  for (const OpDef& row : op_table()) {
    if (row.family != Family::elementwise || row.expand.scalar || row.op == Op::cast || row.op == Op::bitcast) continue;
    for (const DTypeInfo& t : dtype_table) {
      const DType type = *dtype_from_name(t.name);
      if (contains(row.dtypes, type)) sources.push_back(render(op_kernel(row.op, type, type)));
    }
  }
  expect_compiles(std::move(sources));
}

TEST(Nvrtc, CompilesEveryCast) {
  std::vector<CudaSource> sources;
  for (int from = 0; from < dtype_count; ++from)
    for (int to = 0; to < dtype_count; ++to) {
      const DType f = static_cast<DType>(from), t = static_cast<DType>(to);
      if (f == t) continue;
      sources.push_back(render(op_kernel(Op::cast, f, t)));
      if (bytes(f) == bytes(t) && f != boolean && t != boolean) sources.push_back(render(op_kernel(Op::bitcast, f, t)));
    }
  expect_compiles(std::move(sources));
}

TEST(Nvrtc, CompilesEveryExpansion) {
  std::vector<CudaSource> sources;
  for (const OpDef& row : op_table())
    if (row.family == Family::elementwise && row.expand.scalar)
      for (DType t : {f16, bf16, f32, f64}) sources.push_back(render(op_kernel(row.op, t, t)));
  expect_compiles(std::move(sources));
}

TEST(Nvrtc, CompilesReductions) {
  std::vector<CudaSource> sources;
  for (const bool row : {true, false}) {
    for (DType t : {f32, f64, i32, i64, u8})
      for (Op op : {Op::add, Op::mul, Op::max, Op::min, Op::argmax, Op::argmin})
        sources.push_back(render(reduce_kernel(op, t, row)));
    for (DType t : {boolean, u32})
      for (Op op : {Op::bit_and, Op::bit_or}) sources.push_back(render(reduce_kernel(op, t, row)));
  }
  auto symbols = std::make_shared<Symbols>();
  const Dim m = symbols->add("m");
  sources.push_back(render(softmax_kernel(m, symbols)));
  sources.push_back(render(layer_norm_kernel()));
  expect_compiles(std::move(sources));
}

}  // namespace
}  // namespace tenon
