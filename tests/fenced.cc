// Fenced memory from pages, and running a program over it.
#include "tenon/tests/fenced.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <new>

#include "tenon/ir/base/error.h"
#include "tenon/tests/arrays.h"

namespace tenon::testing {

Fenced::Fenced(size_t bytes) : bytes_(bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  size_ = (bytes + fence + page - 1) / page * page + page;
  void* memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  base_ = static_cast<unsigned char*>(memory);
  if (mprotect(base_ + size_ - page, page, PROT_NONE) != 0) throw std::bad_alloc();
  data_ = base_ + size_ - page - bytes;
  std::memset(data_ - fence, 0x5a, bytes + fence);
}

Fenced::~Fenced() { munmap(base_, size_); }

bool Fenced::intact() const {
  for (size_t k = 1; k <= fence; ++k)
    if (data_[-static_cast<std::ptrdiff_t>(k)] != 0x5a) return false;
  return true;
}

std::vector<ir::Array> run_fenced(const runtime::Executable& executable, std::span<const ir::Array> inputs,
                                  const std::vector<int64_t>& dims) {
  std::vector<ir::Array> results = executable.run(inputs);
  if (!executable.manifest().aliases.empty()) return results;
  std::vector<std::unique_ptr<Fenced>> memory;
  std::vector<const void*> in;
  std::vector<void*> out;
  const auto add = [&](size_t bytes) { return memory.emplace_back(std::make_unique<Fenced>(bytes))->as<void>(); };
  for (const ir::Array& a : inputs) {
    void* data = add(a.data.size());
    if (!a.data.empty()) std::memcpy(data, a.data.data(), a.data.size());
    in.push_back(data);
  }
  for (const ir::Array& a : results) out.push_back(add(a.data.size()));
  executable.run(in.data(), out.data(), dims.data());
  for (size_t i = 0; i < memory.size(); ++i) {
    const ir::Array& expected = i < inputs.size() ? inputs[i] : results[i - inputs.size()];
    const std::string what =
        i < inputs.size() ? "input " + std::to_string(i) : "output " + std::to_string(i - inputs.size());
    if (!memory[i]->intact()) throw InternalError("the program stores before its " + what);
    if (expected.data.empty()) continue;
    // An input is as it was; of results, where a NaN comes from may depend on how they lie (docs/numbers.md).
    ir::Array found = expected;
    std::memcpy(found.data.data(), memory[i]->as<void>(), found.data.size());
    if (i < inputs.size() ? found.data != expected.data : difference(expected, found, NaNs::one_value).has_value())
      throw InternalError("in other memory " + what + " has other bits");
  }
  return results;
}

}  // namespace tenon::testing
