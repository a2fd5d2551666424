// Objects as they leave the code generator: what each may contain, and those that programs share, which are kept. Refuses to
// know programs.
#include "tenon/codegen/llvm/object.h"

#include <llvm/Object/ELFObjectFile.h>

#include <algorithm>
#include <deque>
#include <mutex>

#include "tenon/codegen/llvm/emitter.h"
#include "tenon/codegen/llvm/pipeline.h"
#include "tenon/ir/base/error.h"
#include "tenon/ir/base/undisturbed.h"

namespace tenon::codegen {

void check_object(const std::string& bytes, const std::string& name,
                  const std::function<bool(const std::string&)>& may_ask_for) {
  const auto fail = [&](const std::string& what) { throw InternalError("object of " + name + ": " + what); };
  auto file = llvm::object::ObjectFile::createELFObjectFile(llvm::MemoryBufferRef(bytes, name));
  if (!file) fail(llvm::toString(file.takeError()));
  for (const llvm::object::SectionRef& section : (*file)->sections()) {
    const llvm::object::ELFSectionRef elf(section);
    if ((elf.getFlags() & llvm::ELF::SHF_WRITE) && section.getSize() > 0) {
      auto section_name = section.getName();
      fail("writable data in section " + (section_name ? section_name->str() : std::string("?")));
    }
  }
  for (const llvm::object::SymbolRef& symbol : (*file)->symbols()) {
    auto flags = symbol.getFlags();
    auto symbol_name = symbol.getName();
    if (!flags || !symbol_name) fail("unreadable symbol table");
    if (!(*flags & llvm::object::SymbolRef::SF_Undefined) || symbol_name->empty()) continue;
    const std::string text = symbol_name->str();
    if (text != "memcpy" && text != "memset" && !may_ask_for(text)) fail("undefined symbol " + text);
  }
}

namespace {

struct Kept {
  std::string symbol, object;
};
struct Library {
  std::mutex mutex;  // taken inside sections only, by their threads too
  std::deque<Kept> kept;  // the one used last is the first
};
constinit Forever<Library> library;
constexpr size_t most_kept = 64;  // of 1 to 5 KiB

}  // namespace

std::string kept_object(const std::string& symbol) {
  Library& all = library.get();
  const std::lock_guard lock(all.mutex);
  for (auto it = all.kept.begin(); it != all.kept.end(); ++it) {
    if (it->symbol != symbol) continue;
    std::rotate(all.kept.begin(), it, it + 1);
    return all.kept.front().object;
  }
  return {};
}

std::string shared_object(const SharedFunction& function, const CpuTarget& target) {
  std::string object = with_llvm(target, llvm::CodeGenOptLevel::Default, [&](Work& work) {
    work.module = new_module(function.symbol, work.context, work.generator.machine());
    work.module->setPICLevel(llvm::PICLevel::BigPIC);
    function.define(*work.module);
    // Where a system's linker joins the objects of several programs, one of the equal functions stays, and its parts.
    llvm::Comdat* group = work.module->getOrInsertComdat(function.symbol);
    for (llvm::Function& f : *work.module)
      if (!f.isDeclaration()) f.setComdat(group);
    work.module->getFunction(function.symbol)->setLinkage(llvm::GlobalValue::WeakODRLinkage);
    finish_module(*work.module, target);
    std::string bytes = work.generator.emit(*work.module);
    check_object(bytes, function.symbol, [](const std::string& name) { return name.rfind(shared_prefix, 0) == 0; });
    return bytes;
  });
  Library& all = library.get();
  const std::lock_guard lock(all.mutex);
  for (const Kept& k : all.kept)
    if (k.symbol == function.symbol) return object;  // another thread was as fast
  all.kept.push_front({function.symbol, object});
  if (all.kept.size() > most_kept) all.kept.pop_back();
  return object;
}

void emitter::drop_kept_objects() {
  const Undisturbed section;
  Library& all = library.get();
  const std::lock_guard lock(all.mutex);
  all.kept.clear();
}

}  // namespace tenon::codegen
