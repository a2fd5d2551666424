// Linking without a compiler: objects as the code generator writes them, and the same with bytes changed, which are linked or
// refused, and never make the linker touch what is not theirs (a sanitized build sees it).
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <regex>

#include "tenon/codegen/codegen.h"
#include "tenon/codegen/elf.h"
#include "tenon/frontend/tenon.h"
#include "tenon/frontend/transform/program.h"
#include "tenon/ir/base/error.h"
#include "tenon/ir/graph/graph.h"
#include "tenon/passes/pass.h"

namespace tenon {
namespace {

using codegen::CodeSpan;

int32_t called(const void* const*, void* const*) { return 0; }
void* resolve(const char* name) {
  return std::strcmp(name, "somewhere") == 0 ? reinterpret_cast<void*>(&called) : nullptr;
}
// Of exactly the size that is asked for: what is written behind it is seen by a sanitizer, and by the words that stand there.
constexpr uint64_t guard_bytes = 64;
CodeSpan allocate(uint64_t bytes, uint64_t alignment) {
  if (bytes > (uint64_t{1} << 28)) throw Error("no memory");
  auto* memory =
      static_cast<char*>(std::aligned_alloc(alignment, (bytes + guard_bytes + alignment - 1) / alignment * alignment));
  std::memset(memory + bytes, 0x5a, guard_bytes);
  return {memory, memory, bytes, nullptr};
}
void release(const CodeSpan& span) {
  const char* end = static_cast<const char*>(span.writable) + span.size;
  for (uint64_t k = 0; k < guard_bytes; ++k) ASSERT_EQ(end[k], 0x5a) << "written behind the span";
  std::free(span.writable);
}
const codegen::CodeMemory memory{&allocate, &release, &resolve};

Tensor called_with(const Tensor& x) {
  const Tensor inputs[] = {x}, results[] = {spec({130, 130}, f32)};
  return custom_call({"somewhere"}, inputs, results).at(0);
}

// Contractions with functions that programs share, a row with constants, and a custom call, in several objects.
std::vector<std::string> objects(bool apart, int parts) {
  const auto f = [](const Tensor& x, const Tensor& w) {
    const Tensor y = softmax(matmul(x, w), -1) + exp(x);
    return called_with(y) + sum(y);
  };
  const auto traced = trace(f, spec({130, 130}, f32), spec({130, 130}, f32));
  codegen::Options options;
  options.entry = "tenon_linked";
  options.parts = parts;
  options.entry_apart = apart;
  return codegen::compile_objects(passes::build_program(*traced.program()->graph, codegen::host_target()),
                                  codegen::host_target(), options);
}

TEST(Link, ObjectsInAnyOrder) {
  for (const bool apart : {false, true})
    for (const int parts : {1, 3}) {
      std::vector<std::string> all = objects(apart, parts);
      for (int round = 0; round < 3; ++round) {
        const codegen::Linked linked = codegen::link_objects(all, "tenon_linked", memory);
        const auto* begin = static_cast<const char*>(linked.code.executable);
        for (const char* at :
             {reinterpret_cast<const char*>(linked.entry), reinterpret_cast<const char*>(linked.arena_bytes)})
          EXPECT_TRUE(begin <= at && at < begin + linked.code.size);
        release(linked.code);
        std::rotate(all.begin(), all.begin() + 1, all.end());
      }
    }
}

TEST(Link, AMissingObjectIsSaid) {
  std::vector<std::string> all = objects(true, 2);
  ASSERT_GE(all.size(), 3u);
  for (size_t k = 0; k < all.size(); ++k) {
    std::vector<std::string> some = all;
    some.erase(some.begin() + static_cast<std::ptrdiff_t>(k));
    try {
      release(codegen::link_objects(some, "tenon_linked", memory).code);
      ADD_FAILURE() << "linked without object " << k;
    } catch (const InternalError& e) {
      EXPECT_TRUE(std::regex_search(e.what(), std::regex("no symbol tenon_linked|nobody defines"))) << e.what();
    }
  }
}

TEST(Link, ACustomCallThatNobodyRegisteredIsSaid) {
  const codegen::CodeMemory none{&allocate, &release, nullptr};
  try {
    release(codegen::link_objects(objects(false, 1), "tenon_linked", none).code);
    ADD_FAILURE() << "linked without the function";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("no function is registered as 'somewhere'"), std::string::npos) << e.what();
  }
}

// Whether it was linked. What is changed is never run.
bool links(const std::vector<std::string>& objects) {
  try {
    release(codegen::link_objects(objects, "tenon_linked", memory).code);
    return true;
  } catch (const Error&) {
  } catch (const InternalError&) {
  }
  return false;
}

TEST(Link, ChangedObjectsAreLinkedOrRefused) {
  const std::vector<std::string> all = objects(false, 2);
  ASSERT_TRUE(links(all));
  std::mt19937_64 random(1);
  int linked = 0, refused = 0;
  for (int round = 0; round < 6000; ++round) {
    std::vector<std::string> changed = all;
    std::string& object = changed[random() % changed.size()];
    for (uint64_t k = 0; k <= random() % 3; ++k) {
      // Mostly headers and tables, which stand at both ends, and relocations between.
      const uint64_t at = random() % 2   ? random() % object.size()
                          : random() % 2 ? random() % 64
                                         : object.size() - 1 - random() % 1500;
      constexpr uint64_t odd[] = {
          0, 1, 0x7f, 0x80, 0xff, 0xffffffff, ~uint64_t{0}, uint64_t{1} << 63, uint64_t{1} << 31};
      const uint64_t value = random() % 2 ? odd[random() % std::size(odd)] : random();
      std::memcpy(object.data() + at, &value, std::min<uint64_t>(object.size() - at, uint64_t{1} << random() % 4));
    }
    (links(changed) ? linked : refused) += 1;
  }
  for (size_t size = 0; size < all[0].size(); size += 7) {
    std::vector<std::string> shorter = all;
    shorter[0].resize(size);
    EXPECT_FALSE(links(shorter)) << size;
  }
  EXPECT_GT(linked, 100);
  EXPECT_GT(refused, 1000);
}

TEST(Link, ReadsWhatTheCodeGeneratorWrites) {
  for (const std::string& file : objects(true, 1)) {
    const codegen::ElfObject elf = codegen::read_elf(file);
    EXPECT_GE(elf.sections.size(), 4u);
    for (const codegen::ElfSymbol& s : elf.symbols)
      EXPECT_TRUE(s.section == codegen::ElfSymbol::absolute || s.section < elf.sections.size()) << s.name;
    for (const codegen::ElfRelocation& r : elf.relocations) EXPECT_LT(r.symbol, elf.symbols.size());
  }
}

}  // namespace
}  // namespace tenon
