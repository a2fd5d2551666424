// Links objects in memory, into one span that the caller provides: sections are laid out one behind the other, written through
// the writable view and relocated for the executable one. What lies outside the span is reached through a table of addresses in
// it, functions by a jump beside. No compiler is asked: a program that was compiled before starts without one. x86-64, the
// relocations of position-independent code (System V psABI for AMD64, 1.0, section 4.4). Refuses symbols that nobody defines.
#include <elf.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "tenon/codegen/codegen.h"
#include "tenon/codegen/elf.h"
#include "tenon/codegen/room.h"
#include "tenon/ir/base/error.h"
#include "tenon/ir/base/undisturbed.h"

namespace tenon::codegen {

namespace {

constexpr uint64_t span_alignment = 64;
constexpr uint64_t address_bytes = 8, jump_bytes = 8;  // of a jump through an address: ff 25, 32 bits, two traps
constexpr uint64_t most_bytes = uint64_t{1} << 40;
constexpr unsigned char trap = 0xcc;

uint64_t aligned(uint64_t offset, uint64_t alignment) { return (offset + alignment - 1) / alignment * alignment; }

bool is_loaded(const ElfSection& s) {  // nothing unwinds compiled code, which throws nothing
  return s.loaded && s.size > 0 && s.type != SHT_X86_64_UNWIND && s.name != ".eh_frame";
}

class Link {
 public:
  Link(std::span<const std::string> objects, const std::string& entry, const CodeMemory& memory)
      : entry_(entry), memory_(memory) {
    for (const std::string& o : objects) objects_.push_back(read_elf(o));
  }
  ~Link() {  // unless the program holds it
    if (span_.writable != nullptr && memory_.release != nullptr) memory_.release(span_);
  }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  Linked run() {
    lay_out();
    span_ = memory_.allocate(std::max<uint64_t>(1, size_), alignment_);
    if (span_.writable == nullptr) throw InternalError("linking " + entry_ + ": no memory for code");
    std::memset(static_cast<char*>(span_.writable), trap, start_of_sections_);
    for (size_t k = 0; k < objects_.size(); ++k) write(k);
    define();
    for (size_t k = 0; k < objects_.size(); ++k)
      for (const ElfRelocation& r : objects_[k].relocations)
        if (offsets_[k][r.section] != nowhere) relocate(k, r);
    Linked linked;
    linked.entry = reinterpret_cast<int32_t (*)(const void*)>(symbol(entry_));
    linked.arena_bytes = reinterpret_cast<int64_t (*)(const int64_t*)>(symbol(entry_ + "_arena_bytes"));
    linked.code = span_;
    span_ = {};
    return linked;
  }

 private:
  static constexpr uint64_t nowhere = ~uint64_t{0};

  [[noreturn]] void fail(const std::string& what) const { throw InternalError("linking " + entry_ + ": " + what); }

  // Addresses and jumps first, then the sections.
  void lay_out() {
    for (const ElfObject& o : objects_) {
      for (const ElfSymbol& s : o.symbols) most_addresses_ += s.section == 0;
      for (const ElfRelocation& r : o.relocations) most_addresses_ += through_table(r.type);
    }
    start_of_sections_ = aligned(most_addresses_ * (address_bytes + jump_bytes), span_alignment);
    written_ = size_ = start_of_sections_;
    for (const ElfObject& o : objects_) {
      auto& offsets = offsets_.emplace_back(o.sections.size(), nowhere);
      for (size_t k = 0; k < o.sections.size(); ++k) {
        const ElfSection& s = o.sections[k];
        if (!is_loaded(s)) continue;
        if (s.written) fail("an object has data that is written");
        if (s.alignment > 4096) fail("a section asks for an alignment above 4096");
        alignment_ = std::max(alignment_, s.alignment);
        offsets[k] = aligned(size_, s.alignment);
        if (s.size > most_bytes || offsets[k] > most_bytes) fail("a section has no size that memory could hold");
        size_ = offsets[k] + s.size;
      }
    }
  }

  void write(size_t object) {
    auto* const to = static_cast<char*>(span_.writable);
    for (size_t k = 0; k < objects_[object].sections.size(); ++k) {
      const ElfSection& s = objects_[object].sections[k];
      const uint64_t at = offsets_[object][k];
      if (at == nowhere) continue;
      if (written_ < at) std::memset(to + written_, trap, at - written_);
      std::memcpy(to + at, s.content.data(), s.content.size());
      std::memset(to + at + s.content.size(), 0, s.size - s.content.size());
      written_ = at + s.size;
    }
  }
  uint64_t executable(uint64_t offset) const { return reinterpret_cast<uint64_t>(span_.executable) + offset; }

  // Names that objects share: of equal functions that several bring, the first one serves all.
  void define() {
    for (size_t k = 0; k < objects_.size(); ++k)
      for (const ElfSymbol& s : objects_[k].symbols)
        if (!s.local && s.section != 0) symbols_.emplace(s.name, address_in(k, s));
  }
  uint64_t address_in(size_t object, const ElfSymbol& s) const {
    if (s.section == ElfSymbol::absolute) return s.value;
    const uint64_t at = offsets_[object][s.section];
    return at == nowhere ? 0 : executable(at) + s.value;
  }

  uint64_t symbol(std::string_view name) {
    if (const auto known = symbols_.find(name); known != symbols_.end()) return known->second;
    fail("no symbol " + std::string(name));
  }
  uint64_t address_of(size_t object, const ElfSymbol& s) {
    if (s.local) return address_in(object, s);
    if (const auto known = symbols_.find(s.name); known != symbols_.end()) return known->second;
    uint64_t address = 0;
    const std::string name(s.name);
    if (name == "memcpy")
      address = reinterpret_cast<uint64_t>(&std::memcpy);
    else if (name == "memset")
      address = reinterpret_cast<uint64_t>(&std::memset);
    else if (memory_.resolve != nullptr)
      address = reinterpret_cast<uint64_t>(memory_.resolve(name.c_str()));
    if (address == 0 && name.rfind("tenon_", 0) != 0)
      throw Error("custom_call: no function is registered as '" + name +
                  "'; call tn::register_custom_call before the program is loaded");
    if (address == 0) fail("nobody defines " + name);
    symbols_.emplace(s.name, address);
    return address;
  }

  // Where the table holds this address, and where the jump through it stands.
  struct Entry {
    uint64_t address, jump;
  };
  Entry entry_for(uint64_t target) {
    const auto [found, is_new] = entries_.emplace(target, entries_.size());
    if (found->second >= most_addresses_) fail("more addresses than were asked for");
    const Entry e{found->second * address_bytes, most_addresses_ * address_bytes + found->second * jump_bytes};
    if (!is_new) return e;
    auto* const to = static_cast<unsigned char*>(span_.writable);
    std::memcpy(to + e.address, &target, sizeof target);
    const auto distance = static_cast<int32_t>(static_cast<int64_t>(e.address) - static_cast<int64_t>(e.jump + 6));
    to[e.jump] = 0xff;
    to[e.jump + 1] = 0x25;
    std::memcpy(to + e.jump + 2, &distance, sizeof distance);
    return e;
  }

  static bool through_table(uint32_t type) {
    return type == R_X86_64_GOTPCREL || type == R_X86_64_GOTPCRELX || type == R_X86_64_REX_GOTPCRELX;
  }

  void relocate(size_t object, const ElfRelocation& r) {
    const ElfSection& section = objects_[object].sections[r.section];
    const uint64_t width = r.type == R_X86_64_64 || r.type == R_X86_64_PC64 ? 8 : 4;
    if (section.size < width || r.offset > section.size - width) fail("a relocation lies outside its section");
    const uint64_t at = offsets_[object][r.section] + r.offset, place = executable(at);
    const auto addend = static_cast<uint64_t>(r.addend);
    uint64_t target = address_of(object, objects_[object].symbols[r.symbol]);
    if (target == 0) fail("a relocation asks for what is not loaded");
    if (through_table(r.type)) target = executable(entry_for(target).address);
    uint64_t value = target + addend - place;
    switch (r.type) {
      case R_X86_64_64: value = target + addend; break;
      case R_X86_64_PLT32:
        if (static_cast<int64_t>(value) != static_cast<int32_t>(value))
          value = executable(entry_for(target).jump) + addend - place;
        break;
      case R_X86_64_PC32:
      case R_X86_64_PC64:
      case R_X86_64_GOTPCREL:
      case R_X86_64_GOTPCRELX:
      case R_X86_64_REX_GOTPCRELX: break;
      default: fail("a relocation of type " + std::to_string(r.type));
    }
    if (width == 4 && static_cast<int64_t>(value) != static_cast<int32_t>(value)) fail("an address is out of reach");
    std::memcpy(static_cast<char*>(span_.writable) + at, &value, width);
  }

  const std::string& entry_;
  const CodeMemory& memory_;
  std::vector<ElfObject> objects_;
  std::vector<std::vector<uint64_t>> offsets_;  // of each object's sections in the span
  std::map<std::string_view, uint64_t> symbols_;
  std::map<uint64_t, uint64_t> entries_;  // of the table, by what they hold
  CodeSpan span_;
  uint64_t most_addresses_ = 0, start_of_sections_ = 0, size_ = 0, written_ = 0, alignment_ = span_alignment;
};

}  // namespace

Linked link_objects(std::span<const std::string> objects, const std::string& entry, const CodeMemory& memory) {
  const Undisturbed section;
  uint64_t bytes = 0;
  for (const std::string& o : objects) bytes += o.size();
  require_room((uint64_t{1} << 20) + 3 * bytes, "loading this program");
  return Link(objects, entry, memory).run();
}

}  // namespace tenon::codegen
