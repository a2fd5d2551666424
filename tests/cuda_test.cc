// CUDA rendering: golden text for the shapes of kernel that a grid runs differently, and the kernels of every op compiled by
// NVRTC where it is installed. Compiling is the check on machines without a GPU; nothing here launches.
#include <gtest/gtest.h>

#include <atomic>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>

#include "tenon/codegen/codegen.h"
#include "tenon/ir/kernel/scalar.h"
#include "tenon/passes/pass.h"
#include "tenon/tests/op_cases.h"

namespace tenon {
namespace {

using namespace ir;
using codegen::CudaSource;

// y[i, j] = fn(x0[i, j], x1[i, j] ...) over f-dtype rows.
template <class Fn>
Kernel map_kernel(const std::string& name, std::vector<DType> operands, DType result, Fn fn) {
  auto symbols = std::make_shared<Symbols>();
  const Dim n = symbols->add("n", 0, 1 << 15), m = symbols->add("m", 0, 1 << 15);
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
  const Dim n = symbols->add("n", 0, 1 << 15), m = symbols->add("m", 0, 1 << 15);
  KernelBuilder b("layer_norm", symbols);
  const BufferId x = b.buffer("x", bf16, Shape{n, m}, Space::input),
                 scale_ = b.buffer("scale", f32, Shape{m}, Space::input);
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

CudaSource render(const Kernel& kernel, int64_t alignment = 1) {
  EXPECT_EQ(verify(kernel), std::vector<std::string>{}) << kernel.text();
  CudaSource source = codegen::render_cuda(kernel, {}, std::vector<int64_t>(kernel.buffers.size(), alignment));
  EXPECT_EQ(source.reason, "");
  return source;
}

// ---- golden text: tests/cuda/NAME.cu.txt; TENON_BLESS=1 writes it
void expect_golden(const Kernel& kernel) {
  const std::string path = std::string(TENON_SOURCE_DIR) + "/tests/cuda/" + kernel.name + ".cu.txt";
  const std::string text = kernel.text() + "\n" + render(kernel, 16).text;
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
  expect_golden(
      map_kernel("relu", {f32}, f32, [](KernelBuilder&, std::vector<Scalar>& v) { return max(v[0], like(v[0], 0)); }));
}
TEST(CudaText, Packs) {
  expect_golden(
      parse_kernel("kernel @packs(%x: in bf16[4100], %y: out bf16[4100]) { vector %0 < 4100 { %1 = load %x[%0] "
                   "%2 = neg %1 store %y[%0], %2 } }"));
}
TEST(CudaText, PacksOfRows) {
  expect_golden(parse_kernel(
      "kernel @packs_of_rows(%x: in f32[100, 64], %b: in f32[64], %y: out f32[100, 64]) { parallel %0 < 100 { vector "
      "%1 < 64 { %2 = load %x[%0, %1] %3 = load %b[%1] %4 = add %2, %3 store %y[%0, %1], %4 } } }"));
}
TEST(CudaText, Transpose) {
  expect_golden(
      parse_kernel("kernel @transpose(%x: in f32[100, 67], %y: out f32[67, 100]) { parallel %0 < 67 { vector %1 < 100 "
                   "{ %2 = load %x[%1, %0] store %y[%0, %1], %2 } } }"));
}
TEST(CudaText, ShortRows) {
  expect_golden(parse_kernel(
      "kernel @short_rows(%x: in f32[1000, 128], %y: out f32[1000]) { parallel %0 < 1000 { %1 = reduce(add) lanes 16 "
      "block 512 %2 < 128 { %3 = load %x[%0, %2] yield %3 } store %y[%0], %1 } }"));
}
TEST(CudaText, LanesOfTheirOwn) {
  expect_golden(parse_kernel(
      "kernel @lanes(%i: in i64[9], %u: in f32[9, 40], %y: out f32[6, 40]) { parallel %0 < 1 { serial %1 < 6 { vector "
      "%2 < 40 { store %y[%1, %2], f32 0 } } serial %3 < 9 { %4 = load %i[%3] %5 = lt %4, 6 %6 = ge %4, 0 %7 = bit_and "
      "%5, %6 %8 = select %7, 40, 0 vector %9 < %8 { %10 = load %y[%4, %9] %11 = load %u[%3, %9] %12 = add %10, %11 "
      "store %y[%4, %9], %12 } } } }"));
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
  EXPECT_NE(text.find("__shared__ f32 all_b_kept[8][1024];"), std::string::npos) << text;
}
// Next to another statement, or inside a loop, a team of threads walks a contraction by a chain each.
TEST(CudaText, ContractionsInsideLoopsAreWalked) {
  const Kernel kernel = parse_kernel(
      "kernel @dots(%y: out f32[n, n]) { parallel %0 < n { contract f32 [1, 1, n, n] { lhs %1, %2, %3 { yield f32 1 } "
      "rhs %4, %5, %6 { yield f32 2 } epilogue %7, %8, %9, %10 { store %y[%0, %9], %10 } } } }");
  const std::string text = render(kernel).text;
  EXPECT_NE(text.find("contract_alone<f32>(threadIdx.x, 256, 1, 1, d0_n, d0_n, lhs, rhs, epilogue);"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("at = u64(blockIdx.x); "), std::string::npos) << text;
}

// Of instructions that came from other nodes than what stands before them; nothing else tells the texts apart.
TEST(CudaText, LinesNameNodes) {
  const Kernel kernel = parse_kernel(
      "kernel @two(%x: in f32[64], %y: out f32[64]) { vector %0 < 64 { %1 = load %x[%0] #3 %2 = neg %1 #3 %3 = abs %2 "
      "#17 "
      "store %y[%0], %3 #17 } #17 }");
  CudaSource source = codegen::render_cuda(kernel, {}, {}, true);
  const std::string with = source.text, without = render(kernel).text;
  const size_t first = with.find("#line 1 \"node 3\""), second = with.find("#line 1 \"node 17\"");
  EXPECT_LT(first, second) << with;
  EXPECT_NE(second, std::string::npos) << with;
  EXPECT_EQ(without.find("#line"), std::string::npos);
  source.text.replace(with.find(" = abs("), 7, " = absent(");
  const codegen::Cubin cubin = codegen::compile_cuda(codegen::cuda_module(std::span(&source, 1)), 90);
  EXPECT_FALSE(cubin.ok);
  EXPECT_TRUE(!cubin.found || cubin.log.find("node 17(") != std::string::npos) << cubin.log;
}

// ---- every kernel compiles: many in one module, for a compile has a floor of its own
void expect_compiles(const std::vector<CudaSource>& sources) {
  constexpr size_t batch = 64;
  const size_t batches = (sources.size() + batch - 1) / batch;
  constexpr int architectures[] = {80, 90, 100};
  const bool all = std::getenv("TENON_CUDA_ALL") != nullptr;
  std::atomic<size_t> next{0};
  std::atomic<bool> missing{false};
  std::mutex reporting;
  std::string failures;
  const auto work = [&] {
    // A job is a batch for one architecture: one of the three in turn, or every one.
    for (size_t job; (job = next++) < batches * (all ? std::size(architectures) : 1);) {
      const size_t begin = batch * (job % batches), count = std::min(batch, sources.size() - begin);
      const int sm = architectures[(job + job / batches) % std::size(architectures)];
      const codegen::Cubin cubin =
          codegen::compile_cuda(codegen::cuda_module(std::span(sources).subspan(begin, count)), sm);
      const std::lock_guard lock(reporting);
      if (!cubin.found) missing = true;
      if (!cubin.ok) failures += "sm_" + std::to_string(sm) + ": " + cubin.log.substr(0, 4000);
      for (size_t k = begin; cubin.ok && k < begin + count; ++k)
        if (cubin.image.find(sources[k].entry) == std::string::npos)
          failures += sources[k].entry + " is not in its module\n";
    }
  };
  std::thread second(work);
  work();
  second.join();
  if (missing) GTEST_SKIP() << failures;
  EXPECT_EQ(failures, "");
}

// The text of a kernel but for its extents: kernels that differ in those alone are compiled once.
std::string without_extents(const std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) || text[end] == '_')) ++end;
    const std::string word = text.substr(i, end - i);
    const bool extent = word.size() > 2 && std::isdigit(static_cast<unsigned char>(word[0])) && word.ends_with("ll");
    if (word.empty())
      result += text[i++];
    else
      result += extent ? "N" : word, i = end;
  }
  return result;
}

// The kernels that the programs of the op tests launch, through the same passes as on a CPU. All are rendered; the last
// new one of every row and dtype is compiled for one of three architectures, and all of them for each with TENON_CUDA_ALL=1 (minutes).
TEST(Nvrtc, CompilesTheKernelsOfEveryOp) {
  std::vector<CudaSource> sources;
  std::set<std::string> seen;
  const Target target = Target::cuda_sm(90);
  const bool all = std::getenv("TENON_CUDA_ALL") != nullptr;
  for (const OpDef& row : op_table())
    for (int t = 0; t < dtype_count; ++t) {
      const DType type = static_cast<DType>(t);
      if (!contains(row.dtypes, type)) continue;
      const size_t first = sources.size();
      for (const testing::Case& c : testing::op_cases(row.op, type)) {
        for (Kernel& kernel : passes::build_program(*c.graph, target).kernels) {
          for (size_t b = 0; b < kernel.buffers.size(); ++b) kernel.buffers[b].name = std::to_string(b);
          kernel.name = "k";
          const std::vector<std::string> problems = verify(kernel);
          ASSERT_TRUE(problems.empty()) << c.name << ": " << problems[0] << "\n" << kernel.text();
          if (!seen.insert(without_extents(codegen::render_cuda(kernel, target).text)).second) continue;
          kernel.name = "k" + std::to_string(seen.size());
          CudaSource source = codegen::render_cuda(kernel, target);
          EXPECT_EQ(source.reason, "") << c.name;
          if (all || sources.size() == first)
            sources.push_back(std::move(source));
          else
            sources.back() = std::move(source);
        }
      }
    }
  EXPECT_GT(sources.size(), 300u);
  expect_compiles(sources);
}

// Rows kept on chip, several reductions at once: what fusion makes of softmax and layer normalisation.
TEST(Nvrtc, CompilesRowKernels) {
  auto symbols = std::make_shared<Symbols>();
  const Dim m = symbols->add("m");
  std::vector<CudaSource> sources{render(softmax_kernel(m, symbols)), render(layer_norm_kernel())};
  sources.push_back(render(softmax_kernel(512, std::make_shared<Symbols>(), true)));
  expect_compiles(sources);
}

}  // namespace
}  // namespace tenon
