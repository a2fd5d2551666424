// Compiles kernels and programs straight through code generation and calls them. Code lies in one private mapping per
// program, made executable after linking; nothing is cached.
#include "tenon/tests/compiled.h"

#include <sys/mman.h>

#include <chrono>
#include <cstdlib>
#include <cstring>

namespace tenon::testing {

namespace {

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

codegen::CodeSpan allocate(uint64_t bytes, uint64_t) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return p == MAP_FAILED ? codegen::CodeSpan{} : codegen::CodeSpan{p, p, bytes, nullptr};
}
void release(const codegen::CodeSpan& span) { munmap(span.writable, span.size); }

// Splits a loop as a pool might: pieces of 1, 2, 3 grains, the last piece first.
int32_t split(void*, int64_t total, int64_t grain, tenon_chunk chunk, void* context) {
  std::vector<std::pair<int64_t, int64_t>> pieces;
  for (int64_t begin = 0, size = 1; begin < total; size = size % 3 + 1) {
    const int64_t end = std::min(total, begin + size * grain);
    pieces.emplace_back(begin, end);
    begin = end;
  }
  for (auto it = pieces.rbegin(); it != pieces.rend(); ++it)
    if (const int32_t code = chunk(context, it->first, it->second)) return code;
  return 0;
}

}  // namespace

ir::Program program_of(ir::Kernel kernel) {
  ir::Program p;
  p.symbols = kernel.symbols;
  ir::Step launch;
  for (const ir::KernelBuffer& b : kernel.buffers) {
    if (b.space == ir::Space::scratch) continue;
    ir::ProgramBuffer buffer;
    buffer.dtype = b.dtype;
    buffer.shape = b.shape;
    auto& list = b.space == ir::Space::input ? p.inputs : p.outputs;
    buffer.home = b.space == ir::Space::input ? ir::Home::input : ir::Home::output;
    buffer.slot = static_cast<uint32_t>(list.size());
    list.push_back({b.dtype, b.shape});
    launch.operands.push_back({static_cast<uint32_t>(p.buffers.size()), -1, false, 0});
    p.buffers.push_back(buffer);
    p.is_static &= b.shape.is_static();
  }
  p.kernels.push_back(std::move(kernel));
  p.notes.resize(1);
  p.steps.push_back(std::move(launch));
  return p;
}

tenon_env splitting_env() {
  tenon_env env{};
  env.struct_size = sizeof env;
  env.parallel_for = split;
  env.threads = 2;
  env.print = tenon_runtime_env()->print;
  env.print_line = tenon_runtime_env()->print_line;
  return env;
}

Compiled::Compiled(const ir::Program& program, const Target& target, int parts) {
  const double start = now_ms();
  objects_ = codegen::compile_objects(program, target, {"test_entry", parts});
  const double middle = now_ms();
  linked_ = codegen::link_objects(objects_, "test_entry", {allocate, release, nullptr});
  mprotect(linked_.code.writable, linked_.code.size, PROT_READ | PROT_EXEC);
  compile_ms_ = middle - start;
  link_ms_ = now_ms() - middle;
}

Compiled::~Compiled() { release(linked_.code); }

int32_t Compiled::run(std::vector<const void*> inputs, std::vector<void*> outputs, std::vector<int64_t> dims,
                      bool pieces) {
  tenon_env env = splitting_env();
  env.threads = pieces ? 2 : 1;
  const int64_t bytes = linked_.arena_bytes(dims.data());
  void* arena = bytes > 0 ? std::aligned_alloc(64, static_cast<size_t>((bytes + 63) / 64 * 64)) : nullptr;
  tenon_call call{sizeof(tenon_call), inputs.data(), outputs.data(), arena, dims.data(), &env, nullptr};
  const int32_t code = linked_.entry(&call);
  std::free(arena);
  return code;
}

}  // namespace tenon::testing
