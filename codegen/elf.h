// Relocatable objects in ELF, as the code generator writes them: 64 bits, little-endian, with explicit addends. Every offset and
// number is checked when it is read, so that whoever holds an ElfObject indexes what exists. Refuses (InternalError) other
// files, and tables that lie outside the file; knows no machine: what a relocation means is the linker's.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace tenon::codegen {

struct ElfSection {
  std::string_view name;
  std::string_view content;  // of the file; empty where the section has none there
  uint64_t header = 0;  // where its header stands in the file
  uint64_t size = 0, alignment = 1;  // a power of two
  uint32_t type = 0;
  bool loaded = false, written = false;  // SHF_ALLOC, SHF_WRITE
};

struct ElfSymbol {
  std::string_view name;
  uint64_t value = 0;
  uint32_t section = 0;  // 0: undefined; below the number of sections, or `absolute`
  bool local = false;
  static constexpr uint32_t absolute = ~uint32_t{0};
};

struct ElfRelocation {
  uint32_t section = 0, symbol = 0;  // where it applies, whom it asks for
  uint32_t type = 0;
  uint64_t offset = 0;  // inside the section; what it patches is the linker's to check
  int64_t addend = 0;
};

// Views into the file, which outlives them.
struct ElfObject {
  std::vector<ElfSection> sections;
  std::vector<ElfSymbol> symbols;
  std::vector<ElfRelocation> relocations;  // of loaded sections
};
ElfObject read_elf(std::string_view file);

}  // namespace tenon::codegen
