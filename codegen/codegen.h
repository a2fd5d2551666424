// Programs to machine code. This header names no compiler: LLVM lives in codegen/llvm/, behind the table of codegen/compiler.h, NVRTC in
// codegen/cuda/nvrtc.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/ir/base/target.h"
#include "tenon/ir/kernel/program.h"

namespace tenon::codegen {

// Whether the process is so near its end that the compiler is gone: no objects are made any more. Asked for in a section
// (ir/base/undisturbed.h), in which it does not change.
bool has_ended();

// The processor that this process runs on, in LLVM's words.
struct Processor {
  std::string name, features;  // features: "+avx,-avx512f", each that LLVM knows
  bool operator==(const Processor&) const = default;
};
Processor host_processor();
// The machine around it: registers, caches, cores. Error for a processor below x86-64-v3.
Target host_target(const Processor& processor);
Target host_target();  // asks LLVM, once

struct Options {
  std::string entry = "tenon_main";  // the exported C symbol; NAME_arena_bytes beside it
  int parts = 1;  // how many objects to deal kernels into, compiled in parallel
  // To be linked in memory, now: the entry gets an object of its own, before the others, and so do functions that contractions of
  // several programs share, behind them.
  bool entry_apart = false;
  // Inputs at the end that are no arguments of the entry: where each lies in the section `constants_section`, which is empty
  // here and filled by put_constants.
  std::vector<int64_t> stored = {};
};
// What is wrong with a custom call's name, to follow "the name 'x' "; empty when it may be used. A custom call is bound by its
// name alone, so the name must be the caller's: a C identifier that neither the C library nor the runtime has, nor the compiler
// reserves.
std::string custom_name_fault(const std::string& name);
bool in_c_library(const std::string& name);  // a function of that name
// One or more relocatable objects with one exported entry point `int32_t NAME(const tenon_call*)`
// (runtime/tenon_runtime.h), undefined symbols memcpy, memset and named custom calls only (else InternalError).
// Deterministic: the same program, target and options give the same bytes.
std::vector<std::string> compile_objects(const ir::Program& program, const Target& target, const Options& options = {});
void drop_kept_objects();  // of the functions that programs share: at most 64 of some KiB are kept

// The object with `bytes` as its section of constants, whatever their size: code generation never sees them.
inline constexpr const char* constants_section = ".rodata.tenon";
std::string put_constants(std::string object, std::span<const std::string> pieces);
std::string llvm_text(const ir::Program& program, const Target& target, const Options& options = {});  // for dumps
// The arena of a static program: its planned buffers, and behind them what kernels pack their operands into.
int64_t arena_bytes(const ir::Program& program, const Target& target);
std::string compiler_version();  // of LLVM and of the emitter: part of every cache key
const void*
compiler_address();  // somewhere in the code of LLVM as it is loaded: its build is part of every cache key too
const void* generator_address();  // somewhere in what stands between LLVM and us: it may be a library of its own
bool compiler_is_apart();  // whether LLVM is loaded when first something is compiled, rather than linked

// An object for processors of this kind that holds bytes: the global `name`, aligned to 64, and the u64 `name`_bytes.
std::string data_object(const std::string& name, const std::string& data, const CpuTarget& target);

// A static library of objects with its symbol index: members NAME.o, NAME_1.o and so on. Deterministic.
std::string archive_objects(std::span<const std::string> objects, const std::string& name);

// Where linked code is put (the runtime owns it). Writable and executable views of the same memory.
struct CodeSpan {
  void* writable = nullptr;
  void* executable = nullptr;
  uint64_t size = 0;
  void* handle = nullptr;
};
struct CodeMemory {
  CodeSpan (*allocate)(uint64_t bytes, uint64_t alignment) = nullptr;
  void (*release)(const CodeSpan&) = nullptr;
  void* (*resolve)(const char* symbol) = nullptr;  // custom calls; memcpy and memset are known
};
struct Linked {
  CodeSpan code;
  int32_t (*entry)(const void* call) = nullptr;
  int64_t (*arena_bytes)(const int64_t* dims) = nullptr;
};
// Links objects in memory, without a compiler. The caller releases code with the same CodeMemory.
Linked link_objects(std::span<const std::string> objects, const std::string& entry, const CodeMemory& memory);

// ---- CUDA ---------------------------------------------------------------------------------------------------------
// Header-free CUDA C++ of one kernel; empty with a reason when the renderer does not cover it.
// Parameters of the entry: a pointer per buffer that is no scratch, in order; an i64 per used symbol; a Divisor per symbol that
// is divided by. Inputs must not overlap what is stored to. Any grid is right, as long as it holds fewer than 2^31 threads.
struct CudaFactor {  // the product of the extents over `each`, rounded up
  std::vector<Dim> extents;
  int64_t each = 1;
};
struct CudaSource {
  std::string text, reason;
  std::string entry;  // the __global__ function
  std::vector<uint32_t> symbols;  // used ones, ascending: the parameters after the pointers
  std::vector<uint32_t>
      divisors;  // symbols below 2^31, ascending: {u32 multiplier, shift}, n / d = n * multiplier >> shift
  std::vector<CudaFactor> grid;  // blocks that the work is worth: the product of these; empty: unknown
  int threads = 256;  // of a block
  int wide_loads = 0, wide_stores = 0;  // accesses of 16 bytes to global memory that the text promises
  std::vector<ir::BufferId> shared;  // scratch in dynamic shared memory, each rounded up to 16 bytes
  int64_t shared_bytes = 0;  // of dynamic shared memory besides; a multiple of 16
};
// alignment: of the address that each buffer has at every launch, in bytes, by its number; empty: an element's.
// lines: with #line 1 "node NODE" where an instruction of another node of the graph begins, for what compilers say; kernels that are
// otherwise alike then have texts of their own.
CudaSource render_cuda(const ir::Kernel& kernel, const Target& target, std::span<const int64_t> alignment = {},
                       bool lines = false);
// One translation unit: the device prelude, then the kernels (of distinct entries).
std::string cuda_module(std::span<const CudaSource> kernels);
// What ptxas says of a kernel: per thread, and of a block its static shared memory; bytes but for the registers.
struct CubinKernel {
  std::string name;
  int registers = 0, stack = 0, spill_stores = 0, spill_loads = 0, shared = 0;
};
struct Cubin {
  std::string image, log;
  std::vector<CubinKernel> kernels;  // as far as the log names them
  bool found = false;  // NVRTC was found on this machine
  bool ok = false;
  bool refused = false;  // not the text: the architecture, or NVRTC itself
};
// NVRTC as it was found on this machine; it is loaded by asking.
struct NvrtcInfo {
  bool found = false;  // there is a library with its functions
  bool works = false;  // it compiled a kernel: its library of builtins is there, too
  int major = 0, minor = 0;
  std::string path;
  std::vector<int> architectures;  // that it compiles for, ascending: 90 is sm_90
  std::string problem;  // in one line, where it does not work
  std::string version() const { return std::to_string(major) + "." + std::to_string(minor); }
};
NvrtcInfo nvrtc_info();
Cubin compile_cuda(const std::string& source, int sm);  // loads NVRTC on first use
// The same on a thread of a section's that has loaded it (ir/base/undisturbed.h): the thread enters none of its own.
Cubin compile_cuda_here(const std::string& source, int sm);
// Modules of up to 16 kernels as cubins, and behind them the launch list (codegen/cuda/launch_list.h). Error where NVRTC is
// missing or does not know the architecture.
std::vector<std::string> compile_cuda_program(const ir::Program& program, const Target& target,
                                              const Options& options = {});
std::string
cuda_compiler_version();  // of NVRTC, and somewhere in its code, null where there is none: part of every cache key
const void* cuda_compiler_address();

}  // namespace tenon::codegen
