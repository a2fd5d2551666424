// Links objects in memory with JITLink, into memory that the caller provides: content is written to the writable view and
// relocated for the executable one. All objects of a program share one span. Refuses symbols that nobody defines.
#include <llvm/ExecutionEngine/JITLink/ELF_x86_64.h>
#include <llvm/ExecutionEngine/JITLink/JITLink.h>
#include <llvm/ExecutionEngine/Orc/SymbolStringPool.h>

#include <cstring>
#include <exception>
#include <map>

#include "tenon/codegen/codegen.h"
#include "tenon/codegen/llvm/interrupt.h"
#include "tenon/codegen/llvm/pipeline.h"
#include "tenon/ir/base/error.h"
#include "tenon/ir/base/undisturbed.h"

namespace tenon::codegen {

namespace {

namespace jl = llvm::jitlink;
using llvm::orc::ExecutorAddr;

constexpr uint64_t span_alignment = 64;

// The text of a symbol's name, which is pooled since LLVM 20.
template <class Name>
std::string text_of(const Name& name) {
  if constexpr (requires { name.str(); })
    return name.str();
  else
    return (*name).str();
}

uint64_t aligned(uint64_t offset, uint64_t alignment) { return (offset + alignment - 1) / alignment * alignment; }

// What the objects of one program share while they are linked.
struct Image {
  const CodeMemory& memory;
  CodeSpan span;
  uint64_t used = 0;
  uint64_t expected = 0;  // allocate at least this much: later objects need a place too
  std::map<std::string, uint64_t> symbols;
  std::string problem;
  std::string undefined;  // a custom call, unless an object is missing (check_object)
  std::exception_ptr refused;  // what the caller's memory threw: no exception crosses LLVM
};

class SpanAllocator : public jl::JITLinkMemoryManager {
 public:
  explicit SpanAllocator(Image& image) : image_(image) {}

  class Piece : public InFlightAlloc {
   public:
    explicit Piece(uint64_t address) : address_(address) {}
    void abandon(OnAbandonedFunction done) override { done(llvm::Error::success()); }
    void finalize(OnFinalizedFunction done) override { done(FinalizedAlloc(ExecutorAddr(address_))); }

   private:
    uint64_t address_;
  };

  void allocate(const jl::JITLinkDylib*, jl::LinkGraph& graph, OnAllocatedFunction done) override {
    jl::BasicLayout layout(graph);
    uint64_t size = image_.used;
    for (auto& [group, segment] : layout.segments())
      size = aligned(size, segment.Alignment.value()) + segment.ContentSize + segment.ZeroFillSize;
    if (!image_.span.writable) {
      try {
        image_.span = image_.memory.allocate(std::max<uint64_t>({size, image_.expected, 1}), span_alignment);
      } catch (...) {
        image_.refused = std::current_exception();
      }
      if (!image_.span.writable) return done(llvm::createStringError("no memory for code"));
    }
    if (size > image_.span.size) return done(llvm::createStringError("code outgrew its span"));
    uint64_t offset = image_.used;
    for (auto& [group, segment] : layout.segments()) {
      offset = aligned(offset, segment.Alignment.value());
      segment.WorkingMem = static_cast<char*>(image_.span.writable) + offset;
      segment.Addr = ExecutorAddr(reinterpret_cast<uint64_t>(image_.span.executable) + offset);
      std::memset(segment.WorkingMem, 0, segment.ContentSize + segment.ZeroFillSize);
      offset += segment.ContentSize + segment.ZeroFillSize;
    }
    image_.used = offset;
    if (auto problem = layout.apply()) return done(std::move(problem));
    done(std::make_unique<Piece>(reinterpret_cast<uint64_t>(image_.span.executable)));
  }

  void deallocate(std::vector<FinalizedAlloc> pieces, OnDeallocatedFunction done) override {
    for (FinalizedAlloc& piece : pieces) piece.release();
    done(llvm::Error::success());
  }

 private:
  Image& image_;
};

class LinkContext : public jl::JITLinkContext {
 public:
  LinkContext(Image& image, SpanAllocator& allocator) : JITLinkContext(nullptr), image_(image), allocator_(allocator) {}
  jl::JITLinkMemoryManager& getMemoryManager() override { return allocator_; }
  void notifyFailed(llvm::Error problem) override { image_.problem = llvm::toString(std::move(problem)); }

  void lookup(const LookupMap& wanted, std::unique_ptr<jl::JITLinkAsyncLookupContinuation> next) override {
    jl::AsyncLookupResult found;
    for (const auto& [name, flags] : wanted) {
      const std::string text = text_of(name);
      uint64_t address = 0;
      if (auto known = image_.symbols.find(text); known != image_.symbols.end())
        address = known->second;
      else if (text == "memcpy")
        address = reinterpret_cast<uint64_t>(&std::memcpy);
      else if (text == "memset")
        address = reinterpret_cast<uint64_t>(&std::memset);
      else if (image_.memory.resolve)
        address = reinterpret_cast<uint64_t>(image_.memory.resolve(text.c_str()));
      if (!address) {
        image_.undefined = text;
        return next->run(llvm::createStringError("nobody defines " + text));
      }
      found[name] = {ExecutorAddr(address), llvm::JITSymbolFlags::Exported};
    }
    next->run(std::move(found));
  }

  llvm::Error notifyResolved(jl::LinkGraph& graph) override {
    for (jl::Symbol* symbol : graph.defined_symbols())
      if (symbol->hasName() && symbol->getScope() != jl::Scope::Local)
        image_.symbols[text_of(symbol->getName())] = symbol->getAddress().getValue();
    return llvm::Error::success();
  }

  void notifyFinalized(jl::JITLinkMemoryManager::FinalizedAlloc piece) override { piece.release(); }

 private:
  Image& image_;
  SpanAllocator& allocator_;
};

}  // namespace

Linked link_objects(std::span<const std::string> objects, const std::string& entry, const CodeMemory& memory) {
  const Undisturbed section;
  start_llvm();
  const Interruptible llvm;
  Image image{memory, {}, 0, 0, {}, {}, {}, {}};
  struct Releases {  // unless the program holds it
    const Image& image;
    bool held = false;
    ~Releases() {
      if (!held && image.span.writable && image.memory.release) image.memory.release(image.span);
    }
  } span{image};
  const auto fail = [&](const std::string& what) {
    if (image.refused) std::rethrow_exception(image.refused);
    if (!image.undefined.empty() && image.undefined.rfind("tenon_", 0) != 0)
      throw Error("custom_call: no function is registered as '" + image.undefined +
                  "'; call tn::register_custom_call before the program is loaded");
    throw InternalError("linking " + entry + ": " + what);
  };
  uint64_t bytes = 0;
  for (const std::string& o : objects) bytes += o.size();
  require_room((uint64_t{8} << 20) + 8 * bytes, "loading this program");
  // Headers and symbol tables are not loaded, so an object's size bounds what it needs, stubs included.
  if (objects.size() > 1)
    for (const std::string& o : objects) image.expected += o.size() + 256;
  SpanAllocator allocator(image);
#if LLVM_VERSION_MAJOR >= 20
  const auto pool = std::make_shared<llvm::orc::SymbolStringPool>();
  const auto graph_of = [&](llvm::MemoryBufferRef o) { return jl::createLinkGraphFromELFObject_x86_64(o, pool); };
#else
  const auto graph_of = [](llvm::MemoryBufferRef o) { return jl::createLinkGraphFromELFObject_x86_64(o); };
#endif
  for (size_t k = objects.size(); k-- > 0;) {  // the first object holds the entry and refers to the others
    auto graph = graph_of(llvm::MemoryBufferRef(objects[k], entry));
    if (!graph) fail(llvm::toString(graph.takeError()));
    jl::link(std::move(*graph), std::make_unique<LinkContext>(image, allocator));
    if (!image.problem.empty()) fail(image.problem);
  }
  Linked linked;
  linked.code = image.span;
  const auto find = [&](const std::string& name) -> void* {
    auto known = image.symbols.find(name);
    if (known == image.symbols.end()) fail("no symbol " + name);
    return reinterpret_cast<void*>(known->second);
  };
  linked.entry = reinterpret_cast<int32_t (*)(const void*)>(find(entry));
  linked.arena_bytes = reinterpret_cast<int64_t (*)(const int64_t*)>(find(entry + "_arena_bytes"));
  span.held = true;
  return linked;
}

}  // namespace tenon::codegen
