// Rendered contractions run on the simulated GPU, threads in every order, and compared with the kernel machine: bit for bit where
// they follow the contract's order, and within the bound of the tensor path where they do not (docs/numbers.md). What real
// tensor cores make of it is not shown here: the simulated ones add in f32, ascending over k.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "tenon/codegen/codegen.h"
#include "tenon/ir/base/half.h"
#include "tenon/tests/cuda_contract_kernels.h"
#include "tenon/tests/kernel_machine.h"
#include "tenon/tests/simulated_cuda.h"

namespace tenon::testing {
namespace {

using namespace ir;

struct Job {
  std::string name;
  Kernel kernel;
  std::vector<int64_t> symbols;  // values of all
  std::vector<Array> arrays;  // what the kernel machine leaves; the last one is the result
  std::vector<Array> inputs;
  codegen::CudaSource source;
};

void fill(Array& a, std::mt19937& random) {
  const DType t = a.type.dtype;
  unsigned char* const to = a.data.data();
  for (int64_t i = 0; i < a.numel(); ++i) {
    const double value = (static_cast<int>(random() % 4001) - 2000) / 1000.0 * 1.2345;
    if (t == f32)
      reinterpret_cast<float*>(to)[i] = static_cast<float>(value);
    else if (t == f64)
      reinterpret_cast<double*>(to)[i] = value;
    else if (is_half(t))
      reinterpret_cast<uint16_t*>(to)[i] = half_from_double(t == f16 ? f16_format : bf16_format, value);
    else
      for (int b = 0; b < bytes(t); ++b) to[i * bytes(t) + b] = static_cast<unsigned char>(random());
  }
}

class CudaContractions : public SimulatedCudaTest {
 protected:
  Job job(Contraction c, int processors, int64_t alignment, std::vector<int64_t> symbols = {}) {
    c.name = "c" + std::to_string(number_);
    Job j = job(contraction_kernel(c), processors, alignment, std::move(symbols));
    const auto shown = [&](Dim d) { return d.is_number() ? std::to_string(d.number()) : std::string("free"); };
    j.name = std::string(tenon::name(c.type)) + " " + shown(c.batch) + " x " + shown(c.m) + " x " + shown(c.n) + " x " +
             shown(c.k) + (c.lhs_turned ? " left turned" : "") + (c.rhs_turned ? " right turned" : "") +
             (c.computed ? " computed" : "") + (c.epilogue ? " epilogue" : "") + " aligned to " +
             std::to_string(alignment) + " for " + std::to_string(processors);
    return j;
  }
  Job job(Kernel kernel, int processors, int64_t alignment, std::vector<int64_t> symbols = {}) {
    ++number_;
    Job j{kernel.name, std::move(kernel), std::move(symbols), {}, {}, {}};
    Target target = Target::cuda_sm(90);
    target.cores = processors;
    std::get<CudaTarget>(target.machine).tensor_cores = tensor_cores_;
    const std::vector<int64_t> alignments(j.kernel.buffers.size(), alignment);
    j.source = codegen::render_cuda(j.kernel, target, alignments);
    EXPECT_EQ(j.source.reason, "");
    std::vector<Array*> pointers;
    for (const KernelBuffer& b : j.kernel.buffers) {
      Shape shape;
      for (Dim d : b.shape) shape.push_back(d.is_number() ? d : Dim(j.symbols.at(d.index())));
      j.arrays.emplace_back(Type{b.dtype, shape});
      fill(j.arrays.back(), random_);
    }
    j.inputs = j.arrays;
    for (Array& a : j.arrays) pointers.push_back(&a);
    run_kernel(j.kernel, pointers, j.symbols);
    return j;
  }

  // All jobs as one module, each in every order of threads, on grids that are too small, right or too large.
  void run(std::vector<Job>& jobs) {
    std::vector<codegen::CudaSource> sources;
    for (const Job& j : jobs) sources.push_back(j.source);
    const SimulatedImage made = simulated_compile(codegen::cuda_module(sources));
    ASSERT_EQ(made.result, 0) << made.log.substr(0, 4000);
    void* module = nullptr;
    ASSERT_EQ(c.cuModuleLoadData(&module, made.image.data()), 0) << fault();
    for (size_t n = 0; n < jobs.size(); ++n) {
      void* function = nullptr;
      ASSERT_EQ(c.cuModuleGetFunction(&function, module, jobs[n].source.entry.c_str()), 0);
      for (const char* order : simulated_orders) {
        say(order);
        run(jobs[n], function, static_cast<unsigned>(1 + n % 4));
      }
    }
  }

  void run(const Job& j, void* function, unsigned blocks) {
    std::vector<Address> memory;
    for (const Array& a : j.inputs) {
      std::vector<unsigned char> data = a.data;
      if (&a == &j.inputs.back()) std::fill(data.begin(), data.end(), static_cast<unsigned char>(0x55));
      data.resize(data.size() + 1);  // an address even of nothing
      memory.push_back(upload(data));
    }
    std::vector<int64_t> values;
    for (uint32_t s : j.source.symbols) values.push_back(j.symbols.at(s));
    ASSERT_TRUE(j.source.divisors.empty());
    std::vector<void*> arguments;
    for (Address& a : memory) arguments.push_back(&a);
    for (int64_t& v : values) arguments.push_back(&v);
    arguments.push_back(nullptr);
    const auto shared = static_cast<unsigned>(j.source.shared_bytes);
    if (shared > 0) {
      ASSERT_EQ(c.cuFuncSetAttribute(function, 8, static_cast<int>(shared)), 0) << fault();
    }
    ASSERT_EQ(c.cuLaunchKernel(function, blocks, 1, 1, static_cast<unsigned>(j.source.threads), 1, 1, shared, nullptr,
                               arguments.data(), nullptr),
              0)
        << j.name << ": " << fault();
    ASSERT_EQ(c.cuCtxSynchronize(), 0) << j.name << ": " << fault();
    const Array& expected = j.arrays.back();
    const std::vector<unsigned char> found = download<unsigned char>(memory.back(), expected.data.size());
    for (Address a : memory) c.cuMemFree_v2(a);
    const auto size = static_cast<size_t>(bytes(expected.type.dtype));
    int64_t wrong = 0, first = -1;
    for (int64_t e = 0; e < expected.numel(); ++e)
      if (std::memcmp(&found[static_cast<size_t>(e) * size], &expected.data[static_cast<size_t>(e) * size], size) !=
          0) {
        if (first < 0) first = e;
        ++wrong;
      }
    EXPECT_EQ(wrong, 0) << j.name << ": " << wrong << " of " << expected.numel() << " differ, the first at " << first;
  }

  bool tensor_cores_ = false;
  int number_ = 0;
  std::mt19937 random_{7};
};

TEST_F(CudaContractions, OfOneElementToSeveralTiles) {
  std::vector<Job> jobs;
  jobs.push_back(job({.m = 1, .n = 1, .k = 1}, 132, 16));
  jobs.push_back(job({.batch = 3, .m = 33, .n = 31, .k = 17, .epilogue = true}, 132, 4));
  jobs.push_back(job({.m = 64, .n = 100, .k = 100, .lhs_turned = true, .rhs_turned = true}, 132, 16));
  jobs.push_back(job({.m = 130, .n = 130, .k = 33, .rhs_turned = true, .computed = true, .epilogue = true}, 2, 16));
  jobs.push_back(job({.m = 257, .n = 256, .k = 16, .epilogue = true}, 2, 16));
  jobs.push_back(job({.m = 128, .n = 260, .k = 20, .lhs_turned = true, .rhs_turned = true}, 2, 16));
  jobs.push_back(job({.m = 31, .n = 33, .k = 5, .computed = true, .exponential = true}, 132, 16));
  run(jobs);
}

TEST_F(CudaContractions, OfFewRowsAndColumns) {
  std::vector<Job> jobs;
  jobs.push_back(job({.m = 1, .n = 100, .k = 300}, 132, 16));
  jobs.push_back(job({.batch = 2, .m = 3, .n = 257, .k = 5, .rhs_turned = true, .epilogue = true}, 132, 4));
  jobs.push_back(job({.m = 8, .n = 64, .k = 130, .lhs_turned = true, .rhs_turned = true}, 132, 16));
  jobs.push_back(job({.m = 100, .n = 1, .k = 100}, 132, 16));
  jobs.push_back(job({.m = 257, .n = 3, .k = 16, .lhs_turned = true, .computed = true}, 132, 16));
  run(jobs);
}

TEST_F(CudaContractions, OfNothing) {
  std::vector<Job> jobs;
  for (DType t : {f32, bf16}) {
    jobs.push_back(job({.type = t, .m = 5, .n = 7, .k = 0, .epilogue = true}, 132, 16));
    jobs.push_back(job({.type = t, .m = 50, .n = 70, .k = 0}, 132, 16));
    jobs.push_back(job({.type = t, .batch = 0, .m = 5, .n = 70, .k = 3}, 132, 16));
    jobs.push_back(job({.type = t, .m = 0, .n = 70, .k = 3}, 132, 16));
    jobs.push_back(job({.type = t, .m = 40, .n = 0, .k = 3}, 132, 16));
  }
  run(jobs);
}

// Segments of 4096 elements join as a tree; one, two, three and more of them.
TEST_F(CudaContractions, InSegments) {
  std::vector<Job> jobs;
  jobs.push_back(job({.m = 9, .n = 33, .k = 4096}, 132, 16));
  jobs.push_back(job({.m = 9, .n = 12, .k = 4097}, 132, 16));
  jobs.push_back(job({.m = 3, .n = 31, .k = 9000, .rhs_turned = true, .epilogue = true}, 132, 16));
  jobs.push_back(job({.m = 9, .n = 10, .k = 20480, .lhs_turned = true}, 132, 16));
  jobs.push_back(job({.m = 16, .n = 1, .k = 28673}, 132, 16));
  jobs.push_back(job({.type = f64, .m = 10, .n = 12, .k = 8193}, 132, 16));
  run(jobs);
}

TEST_F(CudaContractions, OfEveryDtype) {
  std::vector<Job> jobs;
  for (DType t : {f64, i8, i16, i32, i64, u8, u32, u64, f16, bf16}) {
    jobs.push_back(
        job({.type = t, .batch = 2, .m = 33, .n = 64, .k = 36, .rhs_turned = true, .epilogue = true}, 132, 16));
    jobs.push_back(job({.type = t, .m = 3, .n = 100, .k = 17, .lhs_turned = true}, 132, 16));
    jobs.push_back(job({.type = t, .m = 70, .n = 9, .k = 33, .lhs_turned = true, .computed = true}, 132, bytes(t)));
  }
  run(jobs);
}

// Extents that only the launch knows, up to a k for which too many sums would wait.
TEST_F(CudaContractions, OfFreeExtents) {
  Contraction free;
  free.batch = free.symbols->add("b"), free.m = free.symbols->add("m"), free.n = free.symbols->add("n");
  free.k = free.symbols->add("k");
  std::vector<Job> jobs;
  jobs.push_back(job(free, 132, 16, {2, 33, 65, 17}));
  jobs.push_back(job(free, 132, 16, {1, 3, 2, 9000}));
  jobs.push_back(job(free, 132, 16, {1, 2, 3, 140000}));
  jobs.push_back(job(free, 132, 16, {3, 4, 5, 0}));
  run(jobs);
}

// Next to other statements and inside loops.
TEST_F(CudaContractions, ThatAreNotAlone) {
  std::vector<Job> jobs;
  jobs.push_back(job(
      parse_kernel(
          "kernel @nested(%x: in f32[6, 5, 7], %y: in f32[7, 9], %z: out f32[6, 5, 9]) { parallel %0 < 6 { contract "
          "f32 [1, 5, 9, 7] { lhs %1, %2, %3 { %4 = load %x[%0, %2, %3] yield %4 } rhs %5, %6, %7 { %8 = load "
          "%y[%6, %7] yield %8 } epilogue %9, %10, %11, %12 { store %z[%0, %10, %11], %12 } } } }"),
      132, 16));
  run(jobs);
}

// What the passes make of products on the tensor path. The simulated tensor cores add one product after the other, so the result is
// the contract's even here.
TEST_F(CudaContractions, OnTensorCores) {
  tensor_cores_ = true;
  std::vector<Job> jobs;
  for (DType t : {bf16, f16}) {
    jobs.push_back(job({.type = t, .m = 16, .n = 16, .k = 16}, 132, 16));
    jobs.push_back(
        job({.type = t, .batch = 2, .m = 33, .n = 64, .k = 40, .rhs_turned = true, .epilogue = true}, 132, 16));
    jobs.push_back(job({.type = t, .m = 40, .n = 64, .k = 64, .lhs_turned = true, .rhs_turned = true}, 132, 16));
    jobs.push_back(job({.type = t, .m = 100, .n = 17, .k = 33, .computed = true, .epilogue = true}, 132, 2));
    jobs.push_back(job({.type = t, .m = 5, .n = 64, .k = 200}, 132, 16));
    jobs.push_back(job({.type = t, .m = 64, .n = 8, .k = 200, .rhs_turned = true}, 132, 16));
    jobs.push_back(job({.type = t, .m = 250, .n = 264, .k = 24}, 2, 16));
    jobs.push_back(job({.type = t, .m = 256, .n = 259, .k = 9, .lhs_turned = true}, 2, 16));
  }
  jobs.push_back(job({.type = bf16, .m = 33, .n = 40, .k = 8200}, 132, 16));
  for (const Job& j : jobs) EXPECT_NE(j.source.text.find("contract_tensor<"), std::string::npos) << j.name;
  run(jobs);
}

}  // namespace
}  // namespace tenon::testing
