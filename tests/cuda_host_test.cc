// Rendered CUDA run on this machine's processor and compared with the interpreter, bit for bit: the text that NVRTC gets,
// compiled by the system's C++ compiler behind tests/cuda_host.h. It shows that the prelude's ops have the contract's bits
// and that the reductions follow its trees; what NVRTC and a GPU make of it is not shown here.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "tenon/codegen/codegen.h"
#include "tenon/ir/reference/array.h"
#include "tenon/passes/pass.h"
#include "tenon/tests/op_cases.h"

extern char** environ;

namespace tenon::testing {
namespace {

using namespace ir;

struct Job {
  Case c;
  Program program;
  size_t number = 0;
};

std::string entry(const Job& job, uint32_t kernel) {
  return "run_" + std::to_string(job.number) + "_" + std::to_string(kernel);
}

// The wrapper that launches a rendered kernel on an array of pointers.
std::string wrapper(const Kernel& kernel, const codegen::CudaSource& source, const std::string& name) {
  std::string arguments;
  size_t next = 0;
  for (const KernelBuffer& b : kernel.buffers) {
    if (b.space == Space::scratch) continue;
    arguments += (next ? ", static_cast<" : "static_cast<") + std::string(tenon::name(b.dtype)) + "*>(a[" +
                 std::to_string(next) + "])";
    ++next;
  }
  const bool together = source.text.find("__syncthreads") != std::string::npos ||
                        source.text.find("reduce_together") != std::string::npos;
  return "extern \"C\" void " + name + "(void** a) { launch(" + (together ? "true" : "false") + ", [&] { " +
         source.entry + "(" + arguments + "); }); }\n";
}

// The program's kernels as text, or nothing when one of them cannot be run so.
std::string render(Job& job) {
  const Target target = Target::cuda_sm(90);
  std::string text;
  if (!job.program.is_static || !job.program.constants.empty()) return {};
  for (const Step& s : job.program.steps)
    if (s.kind != StepKind::launch && s.kind != StepKind::copy) return {};
  for (uint32_t k = 0; k < job.program.kernels.size(); ++k) {
    Kernel& kernel = job.program.kernels[k];
    kernel.name = std::to_string(job.number) + "_" + std::to_string(k);
    const codegen::CudaSource source = codegen::render_cuda(kernel, target);
    if (source.text.empty() || !source.symbols.empty() || !source.shared.empty()) return {};
    text += source.text + wrapper(kernel, source, entry(job, k));
  }
  return text;
}

int compile(const std::string& source, const std::string& library) {
  const std::string include = std::string("-I") + TENON_BINARY_DIR + "/include";
  const char* const words[] = {
      "c++",   "-std=c++20",    "-O1",          "-w", "-frounding-math", "-ffp-contract=off", "-shared",
      "-fPIC", include.c_str(), source.c_str(), "-o", library.c_str(),   "-pthread",          nullptr};
  pid_t child = 0;
  if (posix_spawnp(&child, "c++", nullptr, nullptr, const_cast<char* const*>(words), environ) != 0) return 127;
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

void run(void* library, Job& job, std::vector<Array>& outputs) {
  std::vector<std::vector<unsigned char>> arena(job.program.buffers.size());
  const auto memory = [&](const Operand& o) -> void* {
    const ProgramBuffer& b = job.program.buffers[o.buffer];
    std::vector<unsigned char>& bytes = b.home == Home::input    ? job.c.inputs[b.slot].data
                                        : b.home == Home::output ? outputs[b.slot].data
                                                                 : arena[o.buffer];
    // One spare byte: a kernel may get the address of nothing.
    if (b.home == Home::arena)
      bytes.resize(static_cast<size_t>(b.shape.numel() * tenon::bytes(b.dtype)) + 1);
    else
      bytes.reserve(bytes.size() + 1);
    return bytes.data() + o.start.number() * tenon::bytes(b.dtype);
  };
  for (const Step& s : job.program.steps) {
    std::vector<void*> pointers;
    for (const Operand& o : s.operands) pointers.push_back(memory(o));
    if (s.kind == StepKind::copy) {
      const ProgramBuffer& b = job.program.buffers[s.operands[0].buffer];
      const int64_t count = s.count ? s.count->number() : b.shape.numel();
      std::memcpy(pointers[1], pointers[0], static_cast<size_t>(count * tenon::bytes(b.dtype)));
      continue;
    }
    auto* kernel = reinterpret_cast<void (*)(void**)>(dlsym(library, entry(job, s.kernel).c_str()));
    ASSERT_NE(kernel, nullptr);
    kernel(pointers.data());
  }
}

// The last case of each row that can be run so (the one with the special values comes late), in a few dtypes. most_inputs: elements,
// for a block is 256 threads taking turns.
void check_rows(const std::string& name, bool (*wanted)(const OpDef&), std::initializer_list<DType> types,
                size_t most_inputs = 8000) {
  const Target target = Target::cuda_sm(90);
  std::vector<Job> jobs;
  std::string text;
  for (const OpDef& row : op_table()) {
    if (!wanted(row)) continue;
    for (DType t : types) {
      if (!contains(row.dtypes, t)) continue;
      std::vector<Case> cases = op_cases(row.op, t);
      for (size_t n = cases.size(); n-- > 0;) {
        size_t elements = 0;
        for (const Array& a : cases[n].inputs) elements += static_cast<size_t>(a.numel());
        if (elements > most_inputs) continue;
        Job job{cases[n], passes::build_program(*cases[n].graph, target), jobs.size()};
        const std::string rendered = render(job);
        if (rendered.empty()) continue;
        text += rendered;
        jobs.push_back(std::move(job));
        break;
      }
    }
  }
  ASSERT_FALSE(jobs.empty());
  const std::filesystem::path folder = std::filesystem::path(TENON_BINARY_DIR) / "cuda_host";
  std::filesystem::create_directories(folder);
  const std::string source = folder / (name + ".cc"), library = folder / (name + ".so");
  std::ofstream(source) << "#include \"tenon/tests/cuda_host.h\"\n"
                        << codegen::cuda_module({}) << "namespace tenon {\n"
                        << text << "}\n";
  const int status = compile(source, library);
  if (status == 127) GTEST_SKIP() << "no C++ compiler named c++ on this machine";
  ASSERT_EQ(status, 0) << source;
  void* loaded = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(loaded, nullptr) << dlerror();
  for (Job& job : jobs) {
    const std::vector<Array> expected = interpret(*job.c.graph, job.c.inputs);
    std::vector<Array> found;
    for (const Array& e : expected) {
      found.emplace_back(e.type);
      std::fill(found.back().data.begin(), found.back().data.end(), 0x55);
    }
    run(loaded, job, found);
    for (size_t r = 0; r < expected.size(); ++r)
      if (const auto unlike = difference(expected[r], found[r], job.c.nans))
        ADD_FAILURE() << job.c.name << " result " << r << ": " << *unlike;
  }
}

TEST(CudaOnHost, ElementwiseRowsHaveTheContractsBits) {
  check_rows("elementwise", [](const OpDef& row) { return row.family == Family::elementwise; }, {f32, bf16});
}
TEST(CudaOnHost, CastsRoundOnce) {
  check_rows("casts", [](const OpDef& row) { return row.op == Op::cast; }, {f64, f16, i64, u8});
}
TEST(CudaOnHost, ReductionsFollowTheTree) {
  check_rows(
      "reductions", [](const OpDef& row) { return row.op == Op::reduce_sum || row.op == Op::argmax; }, {f32}, 100000);
}
TEST(CudaOnHost, NestsRunInOrder) {
  check_rows("nests", [](const OpDef& row) { return row.nest != nullptr; }, {f32});
}

}  // namespace
}  // namespace tenon::testing
