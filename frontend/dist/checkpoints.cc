// Between ranks: what each says after each part of the work, before anybody goes on (frontend/dist/agreement.h).
#include "tenon/frontend/dist/checkpoints.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <new>

#include "tenon/frontend/dist/agreement.h"
#include "tenon/frontend/dist/checkpoint_folder.h"
#include "tenon/frontend/dist/checkpoint_index.h"
#include "tenon/frontend/io/stored.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/door.h"
#include "tenon/runtime/cache/digest.h"
#include "tenon/runtime/safetensors.h"
#include "tenon/runtime/write.h"

namespace tenon::dist::detail {
namespace {

namespace fs = std::filesystem;
using runtime::SafetensorsEntry;

constexpr uint64_t most_index = 100'000'000;

// The tree and the checkpoint are not of one kind.
struct Unfit {
  std::string why;
};

// Does a rank's part of the work; what becomes of it is what the rank says.
template <class F>
Saying outcome_of(const F& work) {
  Saying said;
  try {
    work(said);
  } catch (const Unfit& e) {
    said.what = Saying::unfit, said.text = e.why;
  } catch (const Error& e) {
    said.what = Saying::failed, said.text = e.message();
  } catch (const std::bad_alloc&) {
    said.what = Saying::failed, said.text = "out of memory";
  } catch (const std::exception& e) {
    said.what = Saying::failed, said.text = e.what();
  }
  return said;
}

std::string by_rank(int rank, const std::vector<Saying>& said, const Group& group) {
  const std::string& text = said[static_cast<size_t>(rank)].text;
  return group.size() == 1 ? text : "rank " + std::to_string(rank) + ": " + text;
}

std::vector<Saying> agreed(const Saying& own, const Group& group, const char* what, const Location& at) {
  std::vector<Saying> said = said_by_all(own, group, std::string(what) + " at " + to_string(at));
  if (const int worst = worst_of(said); worst >= 0)
    throw Error(std::string(what) + ": " + by_rank(worst, said, group), at);
  return said;
}

std::vector<const TreeItem*> tensors(const std::vector<TreeItem>& items) {
  std::vector<const TreeItem*> out;
  for (const TreeItem& item : items)
    if (item.tag == 't') out.push_back(&item);
  return out;
}

std::vector<StoredLeaf> leaves_of(const std::vector<const TreeItem*>& items, const char* use, const Location& at) {
  std::vector<StoredLeaf> leaves;
  std::map<std::string, int> names;
  for (const TreeItem* item : items) {
    SafetensorsEntry e = tenon::detail::entry_of(*item->tensor, item->path, use, at);
    if (names[e.name]++ > 0) throw Error("two leaves of the tree are called '" + e.name + "'");
    leaves.push_back({std::move(e.name), e.dtype, std::move(e.shape)});
  }
  return leaves;
}

runtime::DigestBytes digest_of(const std::vector<StoredLeaf>& leaves, const CheckpointOptions& options) {
  runtime::Digest digest;
  digest.update(std::to_string(options.step) + " " + std::to_string(options.keep));
  for (const StoredLeaf& l : leaves) {
    digest.update("\n" + l.name + "\n" + std::string(name(l.dtype)));
    for (int64_t extent : l.shape) digest.update(" " + std::to_string(extent));
  }
  return digest.finish();
}

// Writes a rank's pieces; says how long the file is, and its digest.
void write_share(const std::string& path, const CheckpointIndex& index, const std::vector<const TreeItem*>& items,
                 int rank, Saying& said, const Location& at) {
  struct Part {
    size_t leaf;
    uint64_t offset;
  };
  std::map<std::string, Part> parts;
  std::vector<SafetensorsEntry> entries;
  for (size_t i = 0; i < index.leaves.size(); ++i) {
    const StoredLeaf& l = index.leaves[i];
    int64_t row = 0;
    for (const StoredPiece& p : l.pieces) {
      if (p.rank == rank) {
        entries.push_back({l.name, l.dtype, l.piece_shape(p.rows)});
        parts[l.name] = {i, static_cast<uint64_t>(row) * l.row_bytes()};
      }
      row += p.rows;
    }
  }
  runtime::SafetensorsWriter file(path, std::move(entries), {{"step", std::to_string(index.step)}});
  runtime::Digest digest;
  digest.update(file.prefix());
  uint64_t size = file.prefix().size();
  for (const SafetensorsEntry& e : file.entries()) {
    const Part& part = parts.at(e.name);
    const BufferPtr buffer = buffer_of(*items[part.leaf]->tensor, "dist::save_checkpoint", at);
    const runtime::HostView view(*buffer);
    const char* elements = static_cast<const char*>(view.data()) + part.offset;
    file.write(elements);
    digest.update({elements, e.bytes()});
    size += e.bytes();
  }
  file.finish();
  said.first = static_cast<int64_t>(size);
  said.digest = digest.finish();
}

}  // namespace

void save_checkpoint(const std::string& folder, const std::vector<TreeItem>& items, const Group& group,
                     const CheckpointOptions& options, const Location& at) {
  constexpr const char* what = "dist::save_checkpoint";
  door(what, at, [&] {
    const std::vector<const TreeItem*> all = tensors(items);
    CheckpointIndex index;
    index.step = options.step;
    std::vector<Saying> said = agreed(outcome_of([&](Saying& own) {
                                        if (options.step < 0 || options.keep < 0)
                                          throw Error("step " + std::to_string(options.step) + ", keep " +
                                                      std::to_string(options.keep) + "; give 0 or more");
                                        index.leaves = leaves_of(all, what, at);
                                        own.digest = digest_of(index.leaves, options);
                                        if (group.rank() != 0) return;
                                        own.first = next_attempt(step_folders(folder), options.step);
                                      }),
                                      group, what, at);
    for (size_t k = 1; k < said.size(); ++k)
      if (said[k].digest != said[0].digest)
        throw Error(
            std::string(what) + ": rank " + std::to_string(k) + " and rank 0 have other leaves, or other options", at);
    const StepFolder step{options.step, said[0].first};
    const fs::path place = fs::path(folder) / step.name();
    share_out(index.leaves, group.size());

    said = agreed(outcome_of([&](Saying& own) {
                    fs::create_directories(place);
                    write_share((place / rank_file(group.rank(), group.size())).string(), index, all, group.rank(), own,
                                at);
                  }),
                  group, what, at);
    for (const Saying& s : said) index.files.push_back({static_cast<uint64_t>(s.first), runtime::hex(s.digest)});

    agreed(outcome_of([&](Saying&) {
             if (group.rank() != 0) return;
             runtime::NewFile file((place / index_file).string(), "checkpoint index");
             file.write(text_of(index));
             file.put();
             const std::string left = drop_older(folder, step, options.keep);
             if (!left.empty()) runtime::warn("tenon: " + std::string(what) + ": older checkpoints stay: " + left);
           }),
           group, what, at);
  });
}

namespace {

// The leaf of an index for each tensor of the tree.
std::vector<size_t> paired(const CheckpointIndex& index, const std::vector<const TreeItem*>& items,
                           const std::string& path, const Location& at) {
  std::map<std::string, size_t> by_name;
  for (size_t i = 0; i < index.leaves.size(); ++i) by_name[index.leaves[i].name] = i;
  std::vector<size_t> found;
  for (const TreeItem* item : items) {
    const auto leaf = by_name.find(tenon::detail::stored_name(item->path));
    if (leaf == by_name.end())
      throw Unfit{"the checkpoint '" + path + "' has nothing for the tree's leaf at '" + item->path + "'"};
    const StoredLeaf& l = index.leaves[leaf->second];
    try {
      tenon::detail::check_type("the checkpoint '" + path + "'", *item->tensor, item->path, l.dtype, l.shape, at);
    } catch (const Error& e) {
      throw Unfit{e.message()};
    }
    found.push_back(leaf->second);
    by_name.erase(leaf);
  }
  if (!by_name.empty())
    throw Unfit{"the tree has no leaf for '" + by_name.begin()->first + "' of the checkpoint '" + path + "'"};
  return found;
}

// One rank's file: its pieces go to their rows.
void read_share(const fs::path& folder, const CheckpointIndex& index, int rank,
                std::vector<std::vector<std::byte>>& elements) {
  const std::string path = (folder / rank_file(rank, static_cast<int>(index.files.size()))).string();
  const StoredFile& stored = index.files[static_cast<size_t>(rank)];
  const runtime::SafetensorsFile file(path);
  struct Part {
    const StoredLeaf* leaf;
    std::byte* to;
    int64_t rows;
  };
  std::map<std::string, Part> parts;
  for (size_t i = 0; i < index.leaves.size(); ++i) {
    int64_t row = 0;
    for (const StoredPiece& p : index.leaves[i].pieces) {
      if (p.rank == rank)
        parts[index.leaves[i].name] = {
            &index.leaves[i], elements[i].data() + static_cast<uint64_t>(row) * index.leaves[i].row_bytes(), p.rows};
      row += p.rows;
    }
  }
  runtime::Digest digest;
  digest.update(file.prefix());
  for (const SafetensorsEntry& e : file.entries()) {
    const auto part = parts.find(e.name);
    if (part == parts.end() || e.dtype != part->second.leaf->dtype ||
        e.shape != part->second.leaf->piece_shape(part->second.rows))
      throw Error("'" + path + "' is not what the index says of it");
    file.read(e, part->second.to);
    digest.update({reinterpret_cast<const char*>(part->second.to), e.bytes()});
    parts.erase(part);
  }
  if (!parts.empty() || runtime::hex(digest.finish()) != stored.digest)
    throw Error("'" + path + "' is damaged: its digest is not that of the index");
}

// The values of one checkpoint for the tensors of the tree.
std::vector<Tensor> values_of(const std::string& folder, const StepFolder& step,
                              const std::vector<const TreeItem*>& items, Saying& said, const Location& at) {
  const fs::path place = fs::path(folder) / step.name();
  std::string text;
  {
    const runtime::InputFile file((place / index_file).string(), "checkpoint index");
    if (file.size() > most_index) file.refuse("above 100 MB");
    text.resize(file.size());
    file.read(0, text.data(), text.size());
  }
  const CheckpointIndex index = parse_index(text, (place / index_file).string());
  if (index.step != step.step)
    throw Error("the index of '" + place.string() + "' is of step " + std::to_string(index.step));
  said.digest = runtime::digest(text);
  const std::vector<size_t> leaf_of = paired(index, items, place.string(), at);
  std::vector<std::vector<std::byte>> elements;
  for (const StoredLeaf& l : index.leaves) elements.emplace_back(l.bytes());
  for (size_t rank = 0; rank < index.files.size(); ++rank) read_share(place, index, static_cast<int>(rank), elements);
  std::vector<Tensor> values;
  for (size_t i = 0; i < items.size(); ++i) {
    values.push_back(tenon::detail::in_place_of(*items[i]->tensor, elements[leaf_of[i]].data(), at));
    elements[leaf_of[i]] = {};
  }
  return values;
}

}  // namespace

std::optional<int64_t> restore_checkpoint(const std::string& folder, const std::vector<TreeItem>& items,
                                          const Group& group, const Location& at) {
  constexpr const char* what = "dist::restore_checkpoint";
  return door(what, at, [&]() -> std::optional<int64_t> {
    const std::string where = std::string(what) + " at " + to_string(at);
    const std::vector<const TreeItem*> all = tensors(items);
    const auto skipped = [&](const StepFolder& step, const std::string& why) {
      if (group.rank() == 0)
        runtime::warn("tenon: " + std::string(what) + ": '" + folder + "/" + step.name() + "' is skipped: " + why);
    };
    std::vector<StepFolder> there;  // rank 0 alone looks
    size_t next = 0;
    const Saying looked = outcome_of([&](Saying&) {
      if (group.rank() == 0) there = step_folders(folder);
    });
    agreed(looked, group, what, at);
    while (true) {
      Saying own;
      for (; next < there.size() && !there[next].indexed; ++next)
        skipped(there[next], "it has no index, so its writing never came to an end");
      own.first = next < there.size() ? there[next].step : -1;
      own.second = next < there.size() ? there[next].attempt : 0;
      ++next;
      const Saying chosen = agreed(own, group, what, at)[0];
      if (chosen.first < 0) return std::nullopt;
      const StepFolder step{chosen.first, chosen.second, true};
      std::vector<Tensor> values;
      const std::vector<Saying> said =
          said_by_all(outcome_of([&](Saying& read) { values = values_of(folder, step, all, read, at); }), group, where);
      const int worst = worst_of(said);  // damage before a misfit: what is damaged fits nothing
      if (worst < 0) {
        const bool one =
            std::all_of(said.begin(), said.end(), [&](const Saying& s) { return s.digest == said[0].digest; });
        if (!one) {
          skipped(step, "the ranks see different indexes");
          continue;
        }
        for (size_t i = 0; i < all.size(); ++i) *all[i]->tensor = values[i];
        return step.step;
      }
      if (said[static_cast<size_t>(worst)].what == Saying::unfit)
        throw Error(std::string(what) + ": " + by_rank(worst, said, group), at);
      skipped(step, by_rank(worst, said, group));
    }
  });
}

}  // namespace tenon::dist::detail
