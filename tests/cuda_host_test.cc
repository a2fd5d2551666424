// Rendered CUDA run on the simulated GPU (tests/cuda/) and compared with the interpreter, bit for bit: the text that NVRTC gets,
// compiled by the system's C++ compiler, its threads being fibers that take turns forward, backward and at random, on shared memory
// full of rubbish. It shows that the prelude's ops have the contract's bits, that every way of using a grid follows the trees of
// reductions, and that nobody reads past a buffer or what another thread has yet to write; what NVRTC and a GPU make of it is not
// shown here.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "tenon/codegen/codegen.h"
#include "tenon/ir/reference/array.h"
#include "tenon/passes/pass.h"
#include "tenon/tests/op_cases.h"

namespace tenon::testing {
namespace {

using namespace ir;
using codegen::CudaSource;

// ---- the simulated driver, as far as it is used
struct Driver {
  int (*init)(unsigned);
  int (*retain)(void**, int);
  int (*set_current)(void*);
  int (*load)(void**, const void*);
  int (*unload)(void*);
  int (*function)(void**, void*, const char*);
  int (*set_attribute)(void*, int, int);
  int (*allocate)(uint64_t*, size_t);
  int (*release)(uint64_t);
  int (*to_device)(uint64_t, const void*, size_t);
  int (*from_device)(void*, uint64_t, size_t);
  int (*launch)(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*, void**, void**);
  int (*synchronize)();
};

const Driver& driver() {
  static const Driver* const loaded = [] {
    setenv("TENON_NVRTC", TENON_BINARY_DIR "/simulated_cuda/nvrtc/libnvrtc.so.13", 1);
    void* library = dlopen(TENON_BINARY_DIR "/simulated_cuda/libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) throw std::runtime_error(dlerror());
    auto* d = new Driver;
    const auto bind = [&](auto& f, const char* name) {
      f = reinterpret_cast<std::remove_reference_t<decltype(f)>>(dlsym(library, name));
    };
    bind(d->init, "cuInit");
    bind(d->retain, "cuDevicePrimaryCtxRetain");
    bind(d->set_current, "cuCtxSetCurrent");
    bind(d->load, "cuModuleLoadData");
    bind(d->unload, "cuModuleUnload");
    bind(d->function, "cuModuleGetFunction");
    bind(d->set_attribute, "cuFuncSetAttribute");
    bind(d->allocate, "cuMemAlloc_v2");
    bind(d->release, "cuMemFree_v2");
    bind(d->to_device, "cuMemcpyHtoD_v2");
    bind(d->from_device, "cuMemcpyDtoH_v2");
    bind(d->launch, "cuLaunchKernel");
    bind(d->synchronize, "cuCtxSynchronize");
    void* context = nullptr;
    if (d->init(0) != 0 || d->retain(&context, 0) != 0 || d->set_current(context) != 0)
      throw std::runtime_error("the simulated driver does not start");
    return d;
  }();
  return *loaded;
}

// ---- programs as they are run
struct Job {
  Case c;
  Program program;
  std::vector<int64_t> extents;  // by symbol
  std::vector<CudaSource> sources;  // by kernel
};

// The value of each symbol, or nothing where an input does not say it.
std::optional<std::vector<int64_t>> extents_of(const Job& job) {
  const std::vector<uint32_t> free = job.program.symbols->free_symbols();
  std::vector<int64_t> values(free.size(), -1);
  for (size_t i = 0; i < job.program.inputs.size(); ++i)
    for (size_t d = 0; d < job.program.inputs[i].shape.size(); ++d) {
      const Dim dim = job.program.inputs[i].shape[d];
      for (size_t f = 0; f < free.size(); ++f)
        if (dim.is_symbol() && dim.index() == free[f]) values[f] = job.c.inputs[i].type.shape[d].number();
    }
  for (int64_t v : values)
    if (v < 0) return std::nullopt;
  return job.program.symbols->evaluate(values);
}

int64_t start_of(const Job& job, const Operand& o) { return Symbols::value(o.start, job.extents); }

// Of the addresses that a kernel's buffers have at its launches, allocations being aligned.
std::vector<int64_t> alignment_of(const Job& job, uint32_t kernel) {
  const Kernel& k = job.program.kernels[kernel];
  std::vector<int64_t> alignment(k.buffers.size(), 16);
  for (const Step& s : job.program.steps) {
    if (s.kind != StepKind::launch || s.kernel != kernel) continue;
    size_t next = 0;
    for (size_t b = 0; b < k.buffers.size(); ++b) {
      if (k.buffers[b].space == Space::scratch) continue;
      const int64_t bytes = start_of(job, s.operands[next++]) * tenon::bytes(k.buffers[b].dtype);
      while (bytes % alignment[b] != 0) alignment[b] /= 2;
    }
  }
  return alignment;
}

// Whether all of its kernels can be run here.
bool render(Job& job, size_t number, bool aligned) {
  if (!job.program.constants.empty()) return false;
  const auto extents = extents_of(job);
  if (!extents) return false;
  job.extents = *extents;
  for (const Step& s : job.program.steps)
    if (s.kind != StepKind::launch && s.kind != StepKind::copy) return false;
  for (uint32_t k = 0; k < job.program.kernels.size(); ++k) {
    Kernel& kernel = job.program.kernels[k];
    kernel.name = std::to_string(number) + "_" + std::to_string(k);
    job.sources.push_back(
        codegen::render_cuda(kernel, Target::cuda_sm(90), aligned ? alignment_of(job, k) : std::vector<int64_t>{}));
    if (job.sources.back().text.empty()) return false;
  }
  return true;
}

struct Divisor {
  uint32_t multiplier = 0, shift = 0;
};
Divisor divisor_of(int64_t d) {
  if (d == 0) return {};
  const int l = std::bit_width(static_cast<uint64_t>(d - 1));
  const auto power = static_cast<unsigned __int128>(1) << (31 + l);
  return {static_cast<uint32_t>((power + static_cast<uint64_t>(d) - 1) / static_cast<uint64_t>(d)),
          31u + static_cast<uint32_t>(l)};
}

int64_t blocks_of(const Job& job, const CudaSource& source) {
  int64_t blocks = 1;
  for (const codegen::CudaFactor& f : source.grid) {
    int64_t product = 1;
    for (Dim d : f.extents) product *= Symbols::value(d, job.extents);
    blocks *= (product + f.each - 1) / f.each;
  }
  return blocks;
}

// Order of threads, and the most blocks of a grid: fewer than the work is worth make it go round.
struct Manner {
  const char* words;
  int64_t most_blocks;
};
constexpr Manner manners[] = {{"order=forward", 1 << 20}, {"order=reverse", 1}, {"order=random seed=7", 3}};

void launch(const Job& job, void* module, uint32_t kernel, std::vector<uint64_t> pointers, int64_t most_blocks) {
  const CudaSource& source = job.sources[kernel];
  void* function = nullptr;
  ASSERT_EQ(driver().function(&function, module, source.entry.c_str()), 0) << source.entry;
  std::vector<int64_t> extents;
  std::vector<Divisor> divisors;
  for (uint32_t s : source.symbols) extents.push_back(job.extents[s]);
  for (uint32_t s : source.divisors) divisors.push_back(divisor_of(job.extents[s]));
  std::vector<void*> parameters;
  for (uint64_t& p : pointers) parameters.push_back(&p);
  for (int64_t& e : extents) parameters.push_back(&e);
  for (Divisor& d : divisors) parameters.push_back(&d);
  int64_t shared = 0;
  for (BufferId b : source.shared) {
    const KernelBuffer& held = job.program.kernels[kernel].buffers[index(b)];
    int64_t count = 1;
    for (Dim d : held.shape) count *= Symbols::value(d, job.extents);
    shared += (count * bytes(held.dtype) + 15) / 16 * 16;
  }
  if (shared > 48 << 10) {
    ASSERT_EQ(driver().set_attribute(function, 8, static_cast<int>(shared)), 0);
  }
  EXPECT_FALSE(source.grid.empty()) << job.c.name << "\n" << source.text;
  const int64_t worth = source.grid.empty() ? 4 : blocks_of(job, source);
  const auto blocks = static_cast<unsigned>(std::clamp<int64_t>(worth, 1, most_blocks));
  ASSERT_EQ(driver().launch(function, blocks, 1, 1, static_cast<unsigned>(source.threads), 1, 1,
                            static_cast<unsigned>(shared), nullptr, parameters.data(), nullptr),
            0)
      << source.entry;
}

// Buffers lie at the end of allocations, as far as their alignment lets them.
void run(void* module, Job& job, std::vector<Array>& outputs, int64_t most_blocks) {
  struct Held {
    uint64_t address = 0;
    size_t bytes = 0;
  };
  std::vector<Held> held;
  for (const ProgramBuffer& b : job.program.buffers) {
    int64_t count = 1;
    for (Dim d : b.shape) count *= Symbols::value(d, job.extents);
    held.push_back({0, static_cast<size_t>(count * tenon::bytes(b.dtype))});
    ASSERT_EQ(driver().allocate(&held.back().address, std::max<size_t>(held.back().bytes, 1)), 0);
    const std::vector<unsigned char>* data = b.home == Home::input    ? &job.c.inputs[b.slot].data
                                             : b.home == Home::output ? &outputs[b.slot].data
                                                                      : nullptr;
    if (data && !data->empty()) {
      ASSERT_EQ(driver().to_device(held.back().address, data->data(), held.back().bytes), 0);
    }
  }
  const auto address = [&](const Operand& o) {
    return held[o.buffer].address +
           static_cast<uint64_t>(start_of(job, o) * tenon::bytes(job.program.buffers[o.buffer].dtype));
  };
  for (const Step& s : job.program.steps) {
    std::vector<uint64_t> pointers;
    for (const Operand& o : s.operands) pointers.push_back(address(o));
    if (s.kind == StepKind::launch) {
      launch(job, module, s.kernel, pointers, most_blocks);
      continue;
    }
    const ProgramBuffer& b = job.program.buffers[s.operands[0].buffer];
    const size_t bytes = s.count ? static_cast<size_t>(Symbols::value(*s.count, job.extents) * tenon::bytes(b.dtype))
                                 : held[s.operands[0].buffer].bytes;
    std::vector<unsigned char> moved(bytes + 1);
    ASSERT_EQ(driver().synchronize(), 0);
    ASSERT_EQ(driver().from_device(moved.data(), pointers[0], bytes), 0);
    ASSERT_EQ(driver().to_device(pointers[1], moved.data(), bytes), 0);
  }
  ASSERT_EQ(driver().synchronize(), 0);
  for (size_t b = 0; b < held.size(); ++b) {
    const ProgramBuffer& buffer = job.program.buffers[b];
    if (buffer.home == Home::output && held[b].bytes > 0) {
      ASSERT_EQ(driver().from_device(outputs[buffer.slot].data.data(), held[b].address, held[b].bytes), 0);
    }
  }
  for (const Held& h : held) ASSERT_EQ(driver().release(h.address), 0);
}

void check(Job& job, void* module) {
  const std::vector<Array> expected = interpret(*job.c.graph, job.c.inputs);
  for (const Manner& manner : manners) {
    setenv("SIMULATED_CUDA", manner.words, 1);
    std::vector<Array> found;
    for (const Array& e : expected) {
      found.emplace_back(e.type);
      std::fill(found.back().data.begin(), found.back().data.end(), 0x55);
    }
    run(module, job, found, manner.most_blocks);
    std::string texts;
    for (const CudaSource& s : job.sources) texts += s.text;
    if (::testing::Test::HasFatalFailure()) {
      ADD_FAILURE() << job.c.name << ", " << manner.words << "\n" << texts;
      return;
    }
    for (size_t r = 0; r < expected.size(); ++r)
      if (const auto unlike = difference(expected[r], found[r], job.c.nans)) {
        ADD_FAILURE() << job.c.name << " result " << r << ", " << manner.words << ": " << *unlike << "\n" << texts;
        return;
      }
  }
}

// Extents of programs that are not bounded, as they are, and as if no tensor could have 2^31 elements.
void bound_extents(Program& program) {
  std::vector<Symbol> entries = program.symbols->entries();
  for (Symbol& s : entries) s.upper = std::min<int64_t>(s.upper, s.kind == SymbolKind::free ? 30000 : 1000000000);
  *program.symbols = Symbols::of(entries);
}

void check_jobs(std::vector<Job> jobs) {
  ASSERT_FALSE(jobs.empty());
  constexpr size_t batch = 48;
  for (size_t begin = 0; begin < jobs.size(); begin += batch) {
    std::vector<CudaSource> sources;
    const size_t end = std::min(begin + batch, jobs.size());
    for (size_t j = begin; j < end; ++j) sources.insert(sources.end(), jobs[j].sources.begin(), jobs[j].sources.end());
    const codegen::Cubin cubin = codegen::compile_cuda(codegen::cuda_module(sources), 90);
    ASSERT_TRUE(cubin.ok) << cubin.log;
    void* module = nullptr;
    ASSERT_EQ(driver().load(&module, cubin.image.data()), 0);
    for (size_t j = begin; j < end; ++j) {
      check(jobs[j], module);
      if (::testing::Test::HasFatalFailure()) return;
    }
    driver().unload(module);
  }
}

// The cases of each row in a few dtypes: at most so many, the last ones, for the special values come late.
void check_rows(const std::function<bool(const OpDef&)>& wanted, std::initializer_list<DType> types,
                size_t most_cases = 1, size_t most_inputs = 100000) {
  driver();
  std::vector<Job> jobs;
  for (const OpDef& row : op_table()) {
    if (!wanted(row)) continue;
    for (DType t : types) {
      if (!contains(row.dtypes, t)) continue;
      std::vector<Case> cases = op_cases(row.op, t);
      size_t taken = 0;
      for (size_t n = cases.size(); n-- > 0 && taken < most_cases;) {
        size_t elements = 0;
        for (const Array& a : cases[n].inputs) elements += static_cast<size_t>(a.numel());
        if (elements > most_inputs) continue;
        Job job{cases[n], passes::build_program(*cases[n].graph, Target::cuda_sm(90)), {}, {}};
        if (jobs.size() % 2 == 0) bound_extents(job.program);
        if (!render(job, jobs.size(), jobs.size() % 4 < 3)) continue;
        jobs.push_back(std::move(job));
        ++taken;
      }
    }
  }
  check_jobs(std::move(jobs));
}

TEST(CudaOnHost, ElementwiseRowsHaveTheContractsBits) {
  check_rows([](const OpDef& row) { return row.family == Family::elementwise && row.op != Op::cast; },
             {f32, bf16, f64, i32, i64, u8, boolean}, 1, 8000);
}
TEST(CudaOnHost, CastsRoundOnce) {
  check_rows([](const OpDef& row) { return row.op == Op::cast; }, {f64, f32, f16, bf16, i64, i8, u8, u32, u64, boolean},
             2);
}
TEST(CudaOnHost, ReductionsFollowTheTree) {
  check_rows([](const OpDef& row) { return row.family == Family::reduction; }, {f32, bf16, i64}, 12, 20000);
  check_rows([](const OpDef& row) { return row.op == Op::reduce_sum || row.op == Op::argmax; }, {f32}, 3);  // long ones
}
TEST(CudaOnHost, MovementsFindTheirElements) {
  check_rows([](const OpDef& row) { return row.family == Family::movement || row.family == Family::source; },
             {f32, bf16, i64, boolean}, 12);
}
TEST(CudaOnHost, NestsRunInOrder) {
  check_rows([](const OpDef& row) { return row.nest && !row.lower; }, {f32, f16, i32}, 20, 40000);
}

}  // namespace
}  // namespace tenon::testing
