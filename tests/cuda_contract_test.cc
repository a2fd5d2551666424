// Contractions rendered as CUDA C++: what the plan chooses, golden text, and that NVRTC, where it is installed, compiles every
// variant without spilling. Values are compared in cuda_contract_host_test. Nothing here launches.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tenon/codegen/codegen.h"
#include "tenon/codegen/cuda/contract_plan.h"
#include "tenon/tests/cuda_contract_kernels.h"

namespace tenon {
namespace {

using namespace ir;
using codegen::CudaContractPlan;
using codegen::CudaSource;
using testing::Contraction;

Target target_of(int sm, bool tensor_cores = true) {
  Target target = Target::cuda_sm(sm);
  std::get<CudaTarget>(target.machine).tensor_cores = tensor_cores;
  return target;
}

CudaSource render(const Contraction& c, const Target& target, int64_t alignment = 16) {
  const Kernel kernel = testing::contraction_kernel(c);
  EXPECT_EQ(verify(kernel), std::vector<std::string>{}) << kernel.text();
  const std::vector<int64_t> alignments(kernel.buffers.size(), alignment);
  CudaSource source = codegen::render_cuda(kernel, target, alignments);
  EXPECT_EQ(source.reason, "");
  return source;
}

CudaContractPlan plan(const Contraction& c, int64_t alignment = 16, bool tensor_cores = true) {
  const Kernel kernel = testing::contraction_kernel(c);
  const std::vector<int64_t> alignments(kernel.buffers.size(), alignment);
  CudaTarget target;
  target.tensor_cores = tensor_cores;
  for (const Instruction& i : kernel.instructions)
    if (i.kind == KernelOp::contract) return codegen::plan_cuda_contract(kernel, i, target, 132, alignments);
  return {};
}

TEST(CudaContractPlan, TilesFollowTheExtents) {
  const auto sizes = [](Contraction c) {
    c.name = "sizes";
    const CudaContractPlan p = plan(c, 16, false);
    return std::vector<int>{p.rows, p.columns, p.threads};
  };
  using Sizes = std::vector<int>;
  EXPECT_EQ(sizes({.m = 2048, .n = 2048, .k = 64}), (Sizes{128, 128, 256}));
  EXPECT_EQ(sizes({.m = 1024, .n = 1024, .k = 64}), (Sizes{64, 64, 128}));
  EXPECT_EQ(sizes({.m = 100, .n = 100, .k = 64}), (Sizes{32, 32, 64}));
  EXPECT_EQ(sizes({.batch = 256, .m = 128, .n = 128, .k = 64}), (Sizes{128, 128, 256}));
  EXPECT_EQ(sizes({.m = 1, .n = 4096, .k = 64}), (Sizes{1, 32, 256}));
  EXPECT_EQ(sizes({.m = 7, .n = 4096, .k = 64}), (Sizes{8, 32, 256}));
  EXPECT_EQ(sizes({.m = 4096, .n = 3, .k = 64}), (Sizes{32, 4, 256}));
  EXPECT_EQ(sizes({.type = f64, .m = 2048, .n = 2048, .k = 64}), (Sizes{64, 64, 256}));
  Contraction free{.n = 64, .k = 64};
  free.m = free.symbols->add("m");
  EXPECT_EQ(sizes(free), (Sizes{64, 64, 128}));
}

TEST(CudaContractPlan, HalvesUseTensorCoresWhereTheTargetAllows) {
  Contraction c{.name = "halves", .type = bf16, .m = 2048, .n = 2048, .k = 2048};
  EXPECT_TRUE(plan(c).tensor);
  EXPECT_EQ(plan(c).stages, 4);
  EXPECT_LE(2 * plan(c).shared_bytes(), CudaTarget{}.shared_bytes);
  EXPECT_FALSE(plan(c, 16, false).tensor);
  c.type = f32;
  EXPECT_FALSE(plan(c).tensor);
}

// A thread keeps as many sums as the pairwise tree can have waiting.
TEST(CudaContractPlan, LevelsHoldTheTreeOfSegments) {
  const auto levels = [](Dim k) { return plan({.name = "levels", .m = 64, .n = 64, .k = k}).levels; };
  EXPECT_EQ(levels(0), 0);
  EXPECT_EQ(levels(4096), 0);
  EXPECT_EQ(levels(4097), 1);
  EXPECT_EQ(levels(8192), 1);
  EXPECT_EQ(levels(9000), 2);
  EXPECT_EQ(levels(5 * 4096), 3);
  EXPECT_FALSE(plan({.name = "levels", .m = 64, .n = 64, .k = 1 << 20}).deep);
  EXPECT_TRUE(plan({.name = "levels", .m = 64, .n = 64, .k = 1 << 21}).deep);
  Contraction free{.name = "free"};
  free.k = free.symbols->add("k");
  EXPECT_TRUE(plan(free).deep);
}

TEST(CudaContractPlan, RunsNeedAlignedNeighbours) {
  const auto runs = [](const Contraction& c, int64_t alignment) {
    const CudaContractPlan p = plan(c, alignment);
    return std::pair(p.lhs_run, p.rhs_run);
  };
  Contraction c{.name = "runs", .m = 64, .n = 64, .k = 64};
  EXPECT_EQ(runs(c, 16), std::pair(4, 4));
  EXPECT_EQ(runs(c, 8), std::pair(2, 2));
  EXPECT_EQ(runs(c, 4), std::pair(1, 1));
  c.k = 62;  // rows of the left operand, which is copied along k
  EXPECT_EQ(runs(c, 16), std::pair(2, 4));
  c.lhs_turned = true;
  EXPECT_EQ(runs(c, 16), std::pair(4, 4));
  c.computed = true;
  EXPECT_EQ(runs(c, 16), std::pair(1, 1));
  c.computed = false, c.type = bf16;
  EXPECT_EQ(runs(c, 16), std::pair(8, 8));
  EXPECT_EQ(runs(c, 8), std::pair(1, 1)) << "copies past registers are of 16 bytes";
}

// Heads that are one number: neighbours stay neighbours through / and % by a multiple of the run, and through nothing else.
TEST(CudaContractPlan, RunsGoThroughDivisions) {
  const Kernel kernel = parse_kernel(
      "kernel @heads(%x: in f32[8, 10, 64], %y: out f32[1]) { parallel %0 < 10 { %1 = div %0, i64 64 %2 = rem %0, i64 "
      "64 "
      "%3 = load %x[%1, i64 3, %2] %4 = rem %0, i64 6 %5 = load %x[%1, i64 3, %4] %6 = add %0, i64 2 %7 = load %x[i64 "
      "0, "
      "i64 3, %6] } }");
  std::vector<const Instruction*> loads;
  for (const Instruction& i : kernel.instructions)
    if (i.kind == KernelOp::load) loads.push_back(&i);
  ASSERT_EQ(loads.size(), 3u);
  const ScalarId along = kernel.blocks[1].arguments[0];
  EXPECT_TRUE(loads_runs(kernel, *loads[0], along, 4));
  EXPECT_TRUE(loads_runs(kernel, *loads[0], along, 64));
  EXPECT_FALSE(loads_runs(kernel, *loads[0], along, 128));
  EXPECT_TRUE(loads_runs(kernel, *loads[1], along, 2));
  EXPECT_FALSE(loads_runs(kernel, *loads[1], along, 4));
  EXPECT_TRUE(loads_runs(kernel, *loads[2], along, 2));
  EXPECT_FALSE(loads_runs(kernel, *loads[2], along, 4));
}

// tests/cuda/NAME.cu.txt; TENON_BLESS=1 writes it
TEST(CudaContract, HasTheTextOfItsBlocks) {
  const Contraction c{.name = "matmul_bias_relu", .m = 64, .n = 33, .k = 100, .epilogue = true};
  const std::string path = std::string(TENON_SOURCE_DIR) + "/tests/cuda/" + c.name + ".cu.txt";
  const std::string text = testing::contraction_kernel(c).text() + "\n" + render(c, target_of(90)).text;
  if (const char* bless = std::getenv("TENON_BLESS"); bless && *bless) {
    std::ofstream(path) << text;
    return;
  }
  std::ifstream file(path);
  std::ostringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(text, golden.str()) << "TENON_BLESS=1 writes " << path;
}

// ---- NVRTC
std::vector<Contraction> variants() {
  std::vector<Contraction> all;
  const auto add = [&](const std::string& name, DType t, Dim m, Dim n, Dim k, bool left = false, bool right = false,
                       bool computed = false, bool epilogue = false) {
    all.push_back({.name = name + "_" + std::string(tenon::name(t)),
                   .type = t,
                   .m = m,
                   .n = n,
                   .k = k,
                   .lhs_turned = left,
                   .rhs_turned = right,
                   .computed = computed,
                   .epilogue = epilogue});
  };
  add("large", f32, 2048, 2048, 2048);
  add("large_nt", f32, 2048, 2048, 2048, false, true);
  add("large_tn", f32, 2048, 2048, 2048, true, false, false, true);
  add("large_odd", f32, 2049, 2047, 2045, false, false, true, true);
  add("long", f32, 2048, 2048, 9000);
  add("middle", f32, 512, 512, 512, false, false, false, true);
  add("small", f32, 100, 100, 100);
  add("row", f32, 1, 4096, 4096);
  add("rows_nt", f32, 8, 4096, 4096, false, true);
  add("column", f32, 4096, 1, 4096);
  for (DType t : {f64, i64, i32, i8, u8, u16}) {
    add("large", t, 2048, 2048, 2048, false, true, false, true);
    add("row", t, 3, 4096, 100);
  }
  for (DType t : {bf16, f16}) {
    add("large", t, 2048, 2048, 2048);
    add("large_tn", t, 2048, 2048, 2048, true, true, false, true);
    add("large_odd", t, 2049, 2047, 2045, true, false, true, true);
    add("long", t, 2048, 2048, 9000);
    add("middle", t, 512, 512, 512, false, true);
    add("row", t, 1, 4096, 4096);
    add("column", t, 4096, 8, 4096);
  }
  Contraction free{.name = "free_f32"};
  free.m = free.symbols->add("m"), free.n = free.symbols->add("n"), free.k = free.symbols->add("k");
  all.push_back(free);
  free.name = "free_bf16", free.type = bf16;
  all.push_back(free);
  return all;
}

void expect_compiles(int sm, bool tensor_cores) {
  std::vector<CudaSource> sources;
  const bool all = std::getenv("TENON_CUDA_ALL") != nullptr;
  int number = sm / 10;  // each variant for one of three architectures, unless all are wanted
  for (const Contraction& c : variants())
    if ((tensor_cores || is_half(c.type)) && (all || ++number % 3 == 0))
      sources.push_back(render(c, target_of(sm, tensor_cores)));
  const codegen::Cubin cubin = codegen::compile_cuda(codegen::cuda_module(sources), sm);
  if (!cubin.found) GTEST_SKIP() << cubin.log;
  ASSERT_TRUE(cubin.ok) << cubin.log.substr(0, 4000);
  const std::vector<codegen::CubinKernel>& usage = cubin.kernels;
  EXPECT_EQ(usage.size(), sources.size()) << cubin.log.substr(0, 4000);
  for (const codegen::CubinKernel& u : usage) {
    if (std::getenv("TENON_CUDA_USAGE"))
      std::printf("sm_%d %-28s %3d registers, stack %d, spills %d + %d\n", sm, u.name.c_str(), u.registers, u.stack,
                  u.spill_stores, u.spill_loads);
    // Sums that wait for other segments lie in local memory, which is touched once in 4096 steps; a few values go there too.
    const bool waits = u.name.find("_long_") != std::string::npos || u.name.find("_free_") != std::string::npos;
    EXPECT_LE(u.spill_stores + u.spill_loads, waits ? 128 : 0) << u.name << " spills";
    EXPECT_EQ(u.stack > 0, waits) << u.name;
    EXPECT_GT(u.registers, 0) << u.name;
  }
}

TEST(CudaContract, CompilesForAmpere) { expect_compiles(80, true); }
TEST(CudaContract, CompilesForHopper) { expect_compiles(90, true); }
TEST(CudaContract, CompilesForBlackwell) { expect_compiles(100, true); }
TEST(CudaContract, CompilesHalvesInTheContractsOrder) { expect_compiles(90, false); }

}  // namespace
}  // namespace tenon
