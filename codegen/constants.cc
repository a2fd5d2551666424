// Large constants beside the code: the object's section for them, a placeholder until here, is made to lie at the end of the file
// with the constants in it, as the system will map it. Refuses to hand the bytes to the code generator, which would copy them several times
// over, and more of them than code can address.
#include <elf.h>

#include <algorithm>
#include <cstring>

#include "tenon/codegen/codegen.h"
#include "tenon/codegen/elf.h"
#include "tenon/ir/base/error.h"

namespace tenon::codegen {

namespace {

constexpr size_t most_bytes = size_t{1} << 31;  // position-independent code reaches so far

}  // namespace

std::string put_constants(std::string object, std::span<const std::string> pieces) {
  const ElfObject elf = read_elf(object);
  const auto section = std::find_if(elf.sections.begin(), elf.sections.end(),
                                    [](const ElfSection& s) { return s.name == constants_section; });
  ensure(section != elf.sections.end(), "the object has no section for constants");
  const uint64_t where = section->header;
  Elf64_Shdr header;
  std::memcpy(&header, object.data() + where, sizeof header);
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
