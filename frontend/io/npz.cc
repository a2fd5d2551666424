// Members are read one after the other; what they may hold together is known from the directory, before anything is inflated.
#include "tenon/frontend/io/npz.h"

#include <algorithm>

#include "tenon/frontend/io/stored.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/door.h"
#include "tenon/runtime/npy.h"
#include "tenon/runtime/shown_name.h"
#include "tenon/runtime/zip.h"

namespace tenon {
namespace {

constexpr const char* kind = "npz file";
constexpr std::string_view suffix = ".npy";

void check_total(const runtime::ZipFile& archive, const NpzLimits& o) {
  const uint64_t most =
      o.most_bytes != 0 ? o.most_bytes : std::max<uint64_t>(32 * archive.file().size(), uint64_t{512} << 20);
  uint64_t total = 0;
  for (const runtime::ZipEntry& e : archive.entries()) {
    if (e.bytes > most - total)
      archive.file().refuse("its members inflate to more than " + std::to_string(most) +
                            " bytes; where that is meant, tn::load_npz(path, {.most_bytes = ...}) allows it");
    total += e.bytes;
  }
}

}  // namespace

std::map<std::string, Tensor> load_npz(const std::string& path, const NpzLimits& o, const At& at) {
  return door("load_npz", place(at), [&] {
    const runtime::ZipFile archive(path, kind);
    check_total(archive, o);
    std::map<std::string, Tensor> tensors;
    for (const runtime::ZipEntry& e : archive.entries()) {
      const std::string who = archive.file().who() + ": member " + runtime::shown_name(e.name);
      if (!e.name.ends_with(suffix)) throw Error(who + " is no array: it is not called NAME.npy");
      runtime::ZipMember member(archive, e);
      const runtime::NpyArray a =
          runtime::read_npy([&](void* to, uint64_t bytes) { member.read(to, bytes); }, e.bytes, who);
      member.finish();
      Tensor t = copy_from(a.bytes.data(), a.shape, a.dtype, false, at);
      t.cell()->made = place(at);
      tensors.emplace(e.name.substr(0, e.name.size() - suffix.size()), std::move(t));
    }
    return tensors;
  });
}

void detail::save_npz_items(const std::string& path, const std::vector<TreeItem>& items, const NpzOptions& o,
                            const Location& at) {
  door("save_npz", at, [&] {
    std::map<std::string, const Tensor*> leaves;
    for (const TreeItem& item : items) {
      if (item.tag != 't') continue;
      check_readable(*item.tensor, "save_npz", at);
      const std::string name = item.path.empty() ? "arr_0" : stored_name(item.path);
      if (name.empty() || name.find('\0') != std::string::npos || name.size() > 0xff00)
        throw Error(std::string(kind) + " '" + path + "': cannot be written: " + runtime::shown_name(name) +
                    " is no name for a member");
      if (!leaves.emplace(name, item.tensor).second)
        throw Error(std::string(kind) + " '" + path + "': cannot be written: " + runtime::shown_name(name) +
                    " stands twice");
    }
    runtime::ZipWriter archive(path, kind);
    for (const auto& [name, t] : leaves) {
      const BufferPtr buffer = buffer_of(*t, "save_npz", at);
      const runtime::HostView elements(*buffer);
      archive.add(name + std::string(suffix), runtime::npy_prefix(t->dtype(), extents_of(*t, name, at)),
                  {static_cast<const char*>(elements.data()), static_cast<size_t>(buffer->size())}, o.compress);
    }
    archive.finish();
  });
}

}  // namespace tenon
