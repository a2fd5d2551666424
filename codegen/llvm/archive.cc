// Objects as one static library, with the index of symbols that linkers look into. The bytes depend on the objects alone: no
// times, owners or names of folders.
#include <llvm/Object/ArchiveWriter.h>
#include <llvm/Support/MemoryBuffer.h>

#include "tenon/codegen/llvm/emitter.h"
#include "tenon/ir/base/error.h"

namespace tenon::codegen {

std::string emitter::archive_objects(std::span<const std::string> objects, const std::string& name) {
  std::vector<std::string> names;
  for (size_t i = 0; i < objects.size(); ++i) names.push_back(name + (i ? "_" + std::to_string(i) : "") + ".o");
  std::vector<llvm::NewArchiveMember> members;
  for (size_t i = 0; i < objects.size(); ++i) members.emplace_back(llvm::MemoryBufferRef(objects[i], names[i]));
  auto archive = llvm::writeArchiveToBuffer(members, llvm::SymtabWritingMode::NormalSymtab,
                                            llvm::object::Archive::K_GNU, /*Deterministic=*/true, /*Thin=*/false);
  if (!archive) throw InternalError("no archive of '" + name + "': " + llvm::toString(archive.takeError()));
  return (*archive)->getBuffer().str();
}

}  // namespace tenon::codegen
