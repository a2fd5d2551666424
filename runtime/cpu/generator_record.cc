// The record is believed while the library that asks, the processor, the loader's path and the files behind the generator are
// what they were when it was written.
#include "tenon/runtime/cpu/generator_record.h"

#include <sys/stat.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <cstdlib>
#include <optional>
#include <vector>

#include "tenon/ir/base/undisturbed.h"
#include "tenon/runtime/cache/build_identity.h"
#include "tenon/runtime/cache/disk_cache.h"

namespace tenon::runtime {
namespace {

// What the processor says of itself, but for the number of the core that is asked. Empty where nothing is known to ask.
std::string processor_text() {
  std::string text;
#if defined(__x86_64__)
  const auto put = [&](uint32_t leaf, uint32_t part) {
    uint32_t a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid_count(leaf, part, &a, &b, &c, &d) == 0) return;
    if (leaf == 1) b &= 0x0000ffff;  // above: how many logical cores, and which one this is
    for (const uint32_t word : {a, b, c, d}) text += std::to_string(word) + " ";
    text += "; ";
  };
  put(0, 0);
  put(1, 0);
  for (uint32_t part = 0; part < 3; ++part) put(7, part);
  put(0xd, 1);
  for (const uint32_t leaf : {0x14u, 0x19u, 0x1eu, 0x24u, 0x80000001u, 0x80000007u, 0x80000008u, 0x80000021u})
    put(leaf, 0);
  uint32_t low = 0, high = 0;  // what the system keeps of a thread's registers (XCR0)
  uint32_t a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_OSXSAVE) != 0)
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  text += std::to_string(low) + " " + std::to_string(high);
#endif
  return text;
}

// A file as it is now; empty where there is none.
std::string state_of(const std::string& path) {
  struct stat s{};
  if (path.empty() || stat(path.c_str(), &s) != 0) return {};
  return std::to_string(s.st_size) + " " + std::to_string(s.st_mtim.tv_sec) + "." + std::to_string(s.st_mtim.tv_nsec) +
         ":" + path;
}
bool is_as_it_was(const std::string& state) {
  const size_t path = state.find(':');
  return path != std::string::npos && state_of(state.substr(path + 1)) == state;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

// Two files as they were, the processor's name and features, the build.
std::optional<GeneratorRecord> record_of(const std::string& text) {
  const std::vector<std::string> lines = lines_of(text);
  if (lines.size() != 5 || !is_as_it_was(lines[0]) || !is_as_it_was(lines[1])) return std::nullopt;
  return GeneratorRecord{{lines[2], lines[3]}, lines[4]};
}

GeneratorRecord ask() {
  const std::string llvm = module_identity(codegen::compiler_address());
  if (!codegen::compiler_is_apart()) return {codegen::host_processor(), llvm};
  return {codegen::host_processor(), llvm + " " + module_identity(codegen::generator_address())};
}

GeneratorRecord find_record() {
  // Near the end of the process nothing is compiled any more: programs are made for the interpreter, on any processor.
  if (codegen::has_ended()) return {{"x86-64-v3", "+avx2,+bmi2,+f16c,+fma,+lzcnt,+movbe"}, "ended"};
  const std::string processor = codegen::compiler_is_apart() ? processor_text() : std::string();
  if (processor.empty()) return ask();
  const char* const path = secure_getenv("LD_LIBRARY_PATH");  // as the loader takes it
  const std::string key = "tenon generator\nbuild " + build_identity() + "\ncompiler " + codegen::compiler_version() +
                          "\nprocessor " + processor + "\npath " + (path != nullptr ? path : "");
  if (const auto kept = disk_cache().load(key))
    if (auto record = record_of(*kept)) return std::move(*record);
  GeneratorRecord record = ask();
  const std::string llvm = state_of(module_path(codegen::compiler_address()));
  const std::string plugin = state_of(module_path(codegen::generator_address()));
  if (const std::string text =
          llvm + "\n" + plugin + "\n" + record.host.name + "\n" + record.host.features + "\n" + record.build + "\n";
      record_of(text))
    disk_cache().store(key, text);
  return record;
}

}  // namespace

const GeneratorRecord& generator_record() {
  static constinit Forever<const GeneratorRecord> record;
  return record.get([] { return new GeneratorRecord(find_record()); });
}

}  // namespace tenon::runtime
