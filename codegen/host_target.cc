// The machine that this process runs on: what passes and code generation must know of it besides the processor's name. Refuses
// processors below the floor, x86-64-v3.
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <locale>

#include "tenon/codegen/codegen.h"
#include "tenon/ir/base/error.h"

namespace tenon::codegen {

namespace {

// What the kernel says of one core's data cache of a level. sysconf multiplies the last level on some processors.
int64_t cache_bytes(int level, int64_t otherwise) {
  for (int index = 0; index < 8; ++index) {
    const std::string folder = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
    std::ifstream level_file(folder + "level"), type_file(folder + "type"), size_file(folder + "size");
    for (std::ifstream* file : {&level_file, &type_file, &size_file}) file->imbue(std::locale::classic());
    int found = 0;
    int64_t size = 0;
    std::string type, unit;
    if (!(level_file >> found) || !(type_file >> type) || !(size_file >> size)) continue;
    if (found != level || type == "Instruction" || size <= 0) continue;
    size_file >> unit;
    return size * (unit == "K" ? 1 << 10 : unit == "M" ? 1 << 20 : 1);
  }
  return otherwise;
}

constexpr int64_t most_share = 8 << 20;  // bytes of the last level that one core can count on, at most

}  // namespace

Target host_target(const Processor& processor) {
  Target target = Target::portable();
  CpuTarget& t = target.cpu();
  t.cpu = processor.name;
  t.features = processor.features;
  const std::string all = "," + processor.features + ",";
  const auto has = [&](const std::string& name) { return all.find(",+" + name + ",") != std::string::npos; };
  for (const char* name : {"avx2", "fma", "f16c", "bmi2", "movbe", "lzcnt"})
    if (!has(name))
      throw Error("this processor lacks " + std::string(name) + ": Tenon needs x86-64-v3 (2013 and later)");
  if (has("avx512f") && has("avx512bw") && has("avx512cd") && has("avx512dq") && has("avx512vl")) {
    t.level = 4;
    t.vector_bytes = 64;
    t.vector_registers = 32;
  }
  t.l1_bytes = cache_bytes(1, t.l1_bytes);
  t.l2_bytes = cache_bytes(2, t.l2_bytes);
  t.l3_bytes = cache_bytes(3, t.l3_bytes);
  target.cores = static_cast<int>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  // A virtual machine sees the last level of the whole processor, of which its few cores have but a share.
  target.tiles.nontemporal_bytes = std::min(t.l3_bytes / 2, target.cores * most_share);
  return target;
}

}  // namespace tenon::codegen
