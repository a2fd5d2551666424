// One memory mapped twice: without access where its addresses point, and readable at a distance that only this file knows.
#include "tenon/tests/simulated_device.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <map>
#include <mutex>

#include "tenon/codegen/codegen.h"
#include "tenon/ir/base/error.h"

namespace tenon::testing {
namespace {

constexpr uint64_t memory_bytes = uint64_t{1} << 30;  // pages exist once they are written to
constexpr uint64_t alignment = 64;
constexpr int rubbish = 0xa5;

uint64_t round_up(uint64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

class Memory {
 public:
  Memory() {
    const int file = memfd_create("tenon simulated device", MFD_CLOEXEC);
    ensure(file >= 0 && ftruncate(file, memory_bytes) == 0, "no memory for the simulated device");
    const auto map = [&](int access) {
      void* at = mmap(nullptr, memory_bytes, access, MAP_SHARED | MAP_NORESERVE, file, 0);
      ensure(at != MAP_FAILED, "no memory for the simulated device");
      return static_cast<char*>(at);
    };
    addresses_ = map(PROT_NONE);
    bytes_ = map(PROT_READ | PROT_WRITE);
    close(file);
    holes_[0] = memory_bytes;
  }

  void* allocate(uint64_t size) {
    std::lock_guard lock(mutex_);
    const uint64_t room = round_up(size);
    for (auto hole = holes_.begin(); hole != holes_.end(); ++hole) {
      const auto [offset, space] = *hole;
      if (space < room) continue;
      holes_.erase(hole);
      if (space > room) holes_[offset + room] = space - room;
      blocks_[offset] = size;
      live_ += size;
      std::memset(bytes_ + offset, rubbish, size);
      return addresses_ + offset;
    }
    return nullptr;
  }

  void free(void* block, uint64_t size) {
    std::lock_guard lock(mutex_);
    const uint64_t offset = offset_of(block);
    const auto found = blocks_.find(offset);
    ensure(found != blocks_.end() && found->second == size, "a block is freed that was not handed out so");
    std::memset(bytes_ + offset, rubbish, size);
    blocks_.erase(found);
    live_ -= size;
    auto hole = holes_.emplace(offset, round_up(size)).first;
    if (const auto next = std::next(hole); next != holes_.end() && hole->first + hole->second == next->first) {
      hole->second += next->second;
      holes_.erase(next);
    }
    if (hole == holes_.begin()) return;
    if (const auto before = std::prev(hole); before->first + before->second == hole->first) {
      before->second += hole->second;
      holes_.erase(hole);
    }
  }

  // Where the device itself finds `size` bytes of one block that is handed out.
  void* own(const void* address, uint64_t size) {
    std::lock_guard lock(mutex_);
    const uint64_t offset = offset_of(address);
    auto block = blocks_.upper_bound(offset);
    ensure(block != blocks_.begin(), "no block of the simulated device is there");
    --block;
    ensure(offset + size <= block->first + block->second, "beyond a block of the simulated device");
    return bytes_ + offset;
  }

  uint64_t live() {
    std::lock_guard lock(mutex_);
    return live_;
  }

 private:
  uint64_t offset_of(const void* address) const {
    const auto at = reinterpret_cast<uintptr_t>(address), first = reinterpret_cast<uintptr_t>(addresses_);
    ensure(at >= first && at - first < memory_bytes, "not an address of the simulated device");
    return at - first;
  }

  char *addresses_, *bytes_;
  std::mutex mutex_;
  std::map<uint64_t, uint64_t> holes_, blocks_;  // offset -> bytes
  uint64_t live_ = 0;
};

Memory& memory() {
  static auto* m = new Memory;  // never destroyed: tensors may live as long as the process
  return *m;
}

struct Counters {
  std::atomic<uint64_t> in{0}, out{0}, inside{0}, runs{0};
};
Counters counters;

const runtime::Device& processor() { return *runtime::find_device(TargetKind::cpu); }

const Target& target(const runtime::Device&) {
  static const auto* const t = new Target(Target::cuda_sm(90));  // never destroyed
  return *t;
}
std::string compiler() { return "simulated " + processor().compiler(); }

void* allocate(const runtime::Device&, uint64_t bytes) { return memory().allocate(bytes); }
void free_block(const runtime::Device&, void* block, uint64_t bytes) { memory().free(block, bytes); }
void copy_in(const runtime::Device&, void* to, const void* from, uint64_t bytes) {
  ++counters.in;
  std::memcpy(memory().own(to, bytes), from, bytes);
}
void copy_out(const runtime::Device&, void* to, const void* from, uint64_t bytes) {
  ++counters.out;
  std::memcpy(to, memory().own(from, bytes), bytes);
}
void copy_inside(const runtime::Device&, void* to, const void* from, uint64_t bytes) {
  ++counters.inside;
  std::memcpy(memory().own(to, bytes), memory().own(from, bytes), bytes);
}
void copy_rows(const runtime::Device&, void* to, uint64_t to_stride, const void* from, uint64_t from_stride,
               uint64_t bytes, uint64_t rows) {
  ++counters.inside;
  processor().copy_rows(processor(), memory().own(to, (rows - 1) * to_stride + bytes), to_stride,
                        memory().own(from, (rows - 1) * from_stride + bytes), from_stride, bytes, rows);
}
void synchronize(const runtime::Device&) {}

std::vector<std::string> generate(const ir::Program& program, const Target&, const codegen::Options& options) {
  return processor().generate(program, Target::portable(), options);
}

struct Code {
  void* linked;
  size_t inputs, outputs;
};

void* load(const runtime::Device&, const runtime::Artifact& artifact) {
  return new Code{processor().load(processor(), artifact), artifact.manifest.inputs.size(),
                  artifact.manifest.outputs.size()};
}

void unload(void* code) {
  const auto* mine = static_cast<Code*>(code);
  processor().unload(mine->linked);
  delete mine;
}

uint64_t code_bytes(const void* code) { return processor().code_bytes(static_cast<const Code*>(code)->linked); }
int64_t arena_bytes(const void* code, const int64_t* dims) {
  return processor().arena_bytes(static_cast<const Code*>(code)->linked, dims);
}

int32_t run(const runtime::Device&, const void* code, tenon_call& call, const runtime::Caller& caller, bool* started) {
  const auto& mine = *static_cast<const Code*>(code);
  ++counters.runs;
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
  for (size_t i = 0; i < mine.inputs; ++i)
    inputs.push_back(call.inputs[i] != nullptr ? memory().own(call.inputs[i], 1) : nullptr);
  for (size_t i = 0; i < mine.outputs; ++i)
    outputs.push_back(call.outputs[i] != nullptr ? memory().own(call.outputs[i], 1) : nullptr);
  tenon_call own = call;
  own.inputs = inputs.data();
  own.outputs = outputs.data();
  return processor().run(processor(), mine.linked, own, caller, started);
}

constexpr runtime::Device table{.kind = TargetKind::cuda,
                                .index = 0,
                                .name = "simulated",
                                .host_addressed = false,
                                .target = &target,
                                .compiler = &compiler,
                                .allocate = &allocate,
                                .free = &free_block,
                                .copy_in = &copy_in,
                                .copy_out = &copy_out,
                                .copy = &copy_inside,
                                .copy_rows = &copy_rows,
                                .synchronize = &synchronize,
                                .generate = &generate,
                                .load = &load,
                                .unload = &unload,
                                .code_bytes = &code_bytes,
                                .arena_bytes = &arena_bytes,
                                .describe = nullptr,
                                .run = &run};

}  // namespace

const runtime::Device& simulated_device() { return table; }

DeviceCounts device_counts() { return {counters.in, counters.out, counters.inside, counters.runs, memory().live()}; }

void reset_device_counts() { counters.in = counters.out = counters.inside = counters.runs = 0; }

}  // namespace tenon::testing
