// Fuzzes the reader of ZIP archives, and of the arrays in them.
// sources: runtime/zip.cc runtime/npy.cc runtime/strided.cc runtime/deflate.cc
#include "tenon/tests/fuzz/fuzz.h"

#include "tenon/runtime/npy.h"
#include "tenon/runtime/zip.h"

void tenon::testing::fuzz(std::string_view file) {
  const MemoryFile on_disk(file);
  const runtime::ZipFile archive(on_disk.path(), "npz file");
  uint64_t total = 0;
  for (const runtime::ZipEntry& e : archive.entries()) {
    must(e.bytes <= 64 + 1033 * file.size(), "a member is larger than deflate allows");
    if ((total += e.bytes) > (uint64_t{64} << 20)) return;  // who reads all bounds them
    runtime::ZipMember member(archive, e);
    const auto source = [&](void* to, uint64_t bytes) { member.read(to, bytes); };
    if (e.name.ends_with(".npy")) {
      runtime::read_npy(source, e.bytes, e.name);
    } else {
      std::string bytes(e.bytes, '\0');
      member.read(bytes.data(), bytes.size());
    }
    member.finish();
  }
}
