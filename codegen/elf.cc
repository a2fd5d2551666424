// Reads headers, names, symbols and relocations, each inside the file or not at all.
#include "tenon/codegen/elf.h"

#include <elf.h>

#include <bit>
#include <cstring>

#include "tenon/ir/base/error.h"

namespace tenon::codegen {

namespace {

template <class T>
T read(std::string_view bytes, uint64_t offset) {
  ensure(offset <= bytes.size() && sizeof(T) <= bytes.size() - offset, "an object's table ends outside it");
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::string_view part(std::string_view file, uint64_t offset, uint64_t size) {
  ensure(offset <= file.size() && size <= file.size() - offset, "a section lies outside its object");
  return file.substr(offset, size);
}

std::string_view text_at(std::string_view names, uint64_t offset) {
  ensure(offset < names.size(), "a name lies outside its object");
  const size_t end = names.find('\0', offset);
  ensure(end != std::string_view::npos, "a name has no end");
  return names.substr(offset, end - offset);
}

// Entries of a table, each of the size that its section says.
template <class T>
uint64_t entries(const Elf64_Shdr& table) {
  ensure(table.sh_entsize == sizeof(T) && table.sh_size % sizeof(T) == 0, "a table of an object has odd entries");
  return table.sh_size / sizeof(T);
}

class Reader {
 public:
  explicit Reader(std::string_view file) : file_(file), head_(read<Elf64_Ehdr>(file, 0)) {
    const bool ours = std::memcmp(head_.e_ident, ELFMAG, SELFMAG) == 0 && head_.e_ident[EI_CLASS] == ELFCLASS64 &&
                      head_.e_ident[EI_DATA] == ELFDATA2LSB && head_.e_type == ET_REL;
    ensure(ours, "not a relocatable ELF object of 64 bits, little-endian");
    ensure(head_.e_shentsize == sizeof(Elf64_Shdr), "an object's headers have another size");
    // More sections than 16 bits count are counted in the first one's header.
    const Elf64_Shdr first = read<Elf64_Shdr>(file, head_.e_shoff);
    const uint64_t count = head_.e_shnum != 0 ? head_.e_shnum : first.sh_size;
    names_ = head_.e_shstrndx != SHN_XINDEX ? head_.e_shstrndx : first.sh_link;
    ensure(head_.e_shoff <= file.size() && count <= (file.size() - head_.e_shoff) / sizeof(Elf64_Shdr),
           "an object's headers lie outside it");
    for (uint64_t k = 0; k < count; ++k) headers_.push_back(read<Elf64_Shdr>(file, place(k)));
  }

  ElfObject object() {
    read_sections();
    for (size_t k = 0; k < headers_.size(); ++k)
      if (headers_[k].sh_type == SHT_SYMTAB) read_symbols(k);
    for (const Elf64_Shdr& h : headers_) {
      ensure(h.sh_type != SHT_REL, "an object has relocations without addends");
      if (h.sh_type == SHT_RELA) read_relocations(h);
    }
    return std::move(object_);
  }

 private:
  uint64_t place(uint64_t k) const { return head_.e_shoff + k * sizeof(Elf64_Shdr); }
  std::string_view content(const Elf64_Shdr& h) const { return part(file_, h.sh_offset, h.sh_size); }
  const Elf64_Shdr& header(uint64_t k) const {
    ensure(k < headers_.size(), "an object names a section that it does not have");
    return headers_[k];
  }

  void read_sections() {
    const std::string_view names = content(header(names_));
    for (size_t k = 0; k < headers_.size(); ++k) {
      const Elf64_Shdr& h = headers_[k];
      ElfSection s;
      if (h.sh_type != SHT_NULL) s.name = text_at(names, h.sh_name);
      if (h.sh_type != SHT_NULL && h.sh_type != SHT_NOBITS) s.content = content(h);
      s.header = place(k);
      s.size = h.sh_type == SHT_NULL ? 0 : h.sh_size;
      s.alignment = std::max<uint64_t>(1, h.sh_addralign);
      ensure(std::has_single_bit(s.alignment), "a section's alignment is no power of two");
      s.type = h.sh_type;
      s.loaded = (h.sh_flags & SHF_ALLOC) != 0;
      s.written = (h.sh_flags & SHF_WRITE) != 0;
      object_.sections.push_back(s);
    }
  }

  void read_symbols(size_t table) {
    ensure(object_.symbols.empty(), "an object has two tables of symbols");
    const Elf64_Shdr& h = headers_[table];
    const std::string_view names = content(header(h.sh_link)), symbols = content(h);
    std::string_view wide;  // section numbers of more than 16 bits
    for (const Elf64_Shdr& other : headers_)
      if (other.sh_type == SHT_SYMTAB_SHNDX && other.sh_link == table) wide = content(other);
    for (uint64_t k = 0; k < entries<Elf64_Sym>(h); ++k) {
      const auto found = read<Elf64_Sym>(symbols, k * sizeof(Elf64_Sym));
      ElfSymbol s;
      s.name = text_at(names, found.st_name);
      s.value = found.st_value;
      s.local = ELF64_ST_BIND(found.st_info) == STB_LOCAL;
      ensure(ELF64_ST_TYPE(found.st_info) != STT_TLS && found.st_shndx != SHN_COMMON, "an object has data of a thread");
      if (found.st_shndx == SHN_ABS)
        s.section = ElfSymbol::absolute;
      else
        s.section = found.st_shndx == SHN_XINDEX ? read<uint32_t>(wide, k * sizeof(uint32_t)) : found.st_shndx;
      if (s.section != ElfSymbol::absolute) (void)header(s.section);
      object_.symbols.push_back(s);
    }
  }

  void read_relocations(const Elf64_Shdr& h) {
    (void)header(h.sh_info);
    if (!object_.sections[h.sh_info].loaded) return;
    const std::string_view table = content(h);
    for (uint64_t k = 0; k < entries<Elf64_Rela>(h); ++k) {
      const auto found = read<Elf64_Rela>(table, k * sizeof(Elf64_Rela));
      const auto symbol = static_cast<uint32_t>(ELF64_R_SYM(found.r_info));
      ensure(symbol < object_.symbols.size(), "a relocation names a symbol that the object does not have");
      object_.relocations.push_back({static_cast<uint32_t>(h.sh_info), symbol,
                                     static_cast<uint32_t>(ELF64_R_TYPE(found.r_info)), found.r_offset,
                                     found.r_addend});
    }
  }

  std::string_view file_;
  Elf64_Ehdr head_;
  uint64_t names_ = 0;
  std::vector<Elf64_Shdr> headers_;
  ElfObject object_;
};

}  // namespace

ElfObject read_elf(std::string_view file) { return Reader(file).object(); }

}  // namespace tenon::codegen
