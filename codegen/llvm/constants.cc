// Large constants beside the code: the object's section for them, a placeholder until here, is made to lie at the end of the file
// with the constants in it, as the system will map it. Refuses to hand the bytes to LLVM, which would copy them several times
// over, and more of them than code can address.
#include <llvm/BinaryFormat/ELF.h>

#include <cstring>

#include "tenon/codegen/codegen.h"
#include "tenon/ir/base/error.h"

namespace tenon::codegen {

namespace {

using namespace llvm::ELF;

constexpr size_t most_bytes = size_t{1} << 31;  // position-independent code reaches so far

template <class T>
T read(const std::string& object, uint64_t offset) {
  ensure(offset <= object.size() && sizeof(T) <= object.size() - offset, "an object's headers lie outside it");
  T value;
  std::memcpy(&value, object.data() + offset, sizeof value);
  return value;
}

// Where the header of the section stands.
uint64_t header_of(const std::string& object, const char* section) {
  const auto file = read<Elf64_Ehdr>(object, 0);
  const auto header = [&](uint64_t k) { return file.e_shoff + k * sizeof(Elf64_Shdr); };
  const auto names = read<Elf64_Shdr>(object, header(file.e_shstrndx));
  for (uint64_t k = 0; k < file.e_shnum; ++k) {
    const auto found = read<Elf64_Shdr>(object, header(k));
    const uint64_t at = names.sh_offset + found.sh_name;
    ensure(at < object.size(), "a section's name lies outside the object");
    if (std::strncmp(object.data() + at, section, object.size() - at) == 0) return header(k);
  }
  throw InternalError(std::string("the object has no section ") + section);
}

}  // namespace

std::string put_constants(std::string object, std::span<const std::string> pieces) {
  const uint64_t where = header_of(object, constants_section);
  auto header = read<Elf64_Shdr>(object, where);
  size_t size = 0;
  for (const std::string& piece : pieces) size += (piece.size() + 63) / 64 * 64;
  if (size >= most_bytes)
    throw Error("constants of " + std::to_string(size) + " bytes are more than fits beside the code (2 GiB); pass " +
                "them as arguments");
  const auto pad = [&](size_t to) { object.resize((object.size() + to - 1) / to * to); };
  object.reserve(object.size() + 64 + size);
  pad(64);
  header.sh_offset = object.size();
  header.sh_size = size;
  std::memcpy(object.data() + where, &header, sizeof header);
  for (const std::string& piece : pieces) {
    object.append(piece);
    pad(64);
  }
  return object;
}

}  // namespace tenon::codegen
