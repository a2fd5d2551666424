// The index is held against its own digest before anything in it is believed.
#include "tenon/frontend/dist/checkpoint_index.h"

#include <algorithm>
#include <utility>

#include "tenon/ir/base/error.h"
#include "tenon/runtime/cache/digest.h"
#include "tenon/runtime/json.h"
#include "tenon/runtime/safetensors.h"

namespace tenon::dist {
namespace {

constexpr uint64_t smallest_cut = 64 << 10;
constexpr size_t most_ranks = 1 << 16;
constexpr std::string_view first_words = "{\"digest\":\"", after_digest = "\",";
constexpr size_t digits = 64;

struct Cut {
  size_t leaf = 0;
  int64_t row = 0;
};

// Where rank k of the ranks begins.
Cut cut_before(int k, int ranks, uint64_t total, const std::vector<StoredLeaf>& leaves) {
  if (k == 0) return {};
  const uint64_t n = static_cast<uint64_t>(ranks), i = static_cast<uint64_t>(k);
  const uint64_t place = total / n * i + total % n * i / n;
  uint64_t passed = 0;
  for (size_t leaf = 0; k < ranks && leaf < leaves.size(); ++leaf) {
    const StoredLeaf& l = leaves[leaf];
    if (place < passed + l.bytes()) {
      const bool cuts = l.rows() > 1 && l.bytes() >= smallest_cut;
      return {leaf, cuts ? static_cast<int64_t>((place - passed) / l.row_bytes()) : 0};
    }
    passed += l.bytes();
  }
  return {leaves.size(), 0};
}

}  // namespace

uint64_t StoredLeaf::bytes() const { return row_bytes() * static_cast<uint64_t>(rows()); }

uint64_t StoredLeaf::row_bytes() const {
  uint64_t count = static_cast<uint64_t>(tenon::bytes(dtype));
  for (size_t axis = 1; axis < shape.size(); ++axis) count *= static_cast<uint64_t>(shape[axis]);
  return count;
}

std::vector<int64_t> StoredLeaf::piece_shape(int64_t rows) const {
  std::vector<int64_t> of_piece = shape;
  if (!of_piece.empty()) of_piece[0] = rows;
  return of_piece;
}

void share_out(std::vector<StoredLeaf>& leaves, int ranks) {
  uint64_t total = 0;
  for (const StoredLeaf& l : leaves) total += l.bytes();
  for (int k = 0; k < ranks; ++k) {
    const Cut from = cut_before(k, ranks, total, leaves), to = cut_before(k + 1, ranks, total, leaves);
    for (size_t leaf = from.leaf; leaf < leaves.size() && leaf <= to.leaf; ++leaf) {
      StoredLeaf& l = leaves[leaf];
      const int64_t first = leaf == from.leaf ? from.row : 0, last = leaf == to.leaf ? to.row : l.rows();
      if (last > first || (l.rows() == 0 && leaf < to.leaf)) l.pieces.push_back({k, last - first});
    }
  }
}

std::string rank_file(int rank, int ranks) {
  return "rank-" + std::to_string(rank) + "-of-" + std::to_string(ranks) + ".safetensors";
}

std::string text_of(const CheckpointIndex& index) {
  std::string rest = "\"format\":\"tenon checkpoint 1\",\n\"step\":" + std::to_string(index.step) + ",\n\"files\":[";
  const int ranks = static_cast<int>(index.files.size());
  for (int k = 0; k < ranks; ++k)
    rest += std::string(k ? "," : "") + "\n{\"name\":\"" + rank_file(k, ranks) +
            "\",\"bytes\":" + std::to_string(index.files[static_cast<size_t>(k)].bytes) + ",\"digest\":\"" +
            index.files[static_cast<size_t>(k)].digest + "\"}";
  rest += "],\n\"leaves\":{";
  std::string between;
  for (const StoredLeaf& l : index.leaves) {
    rest += std::exchange(between, ",") + "\n" + runtime::json_quoted(l.name) + ":{\"dtype\":\"" +
            std::string(runtime::safetensors_dtype(l.dtype)) + "\",\"shape\":[";
    for (size_t i = 0; i < l.shape.size(); ++i) rest += (i ? "," : "") + std::to_string(l.shape[i]);
    rest += "],\"pieces\":[";
    for (size_t i = 0; i < l.pieces.size(); ++i)
      rest += (i ? ",[" : "[") + std::to_string(l.pieces[i].rank) + "," + std::to_string(l.pieces[i].rows) + "]";
    rest += "]}";
  }
  rest += "}}\n";
  return std::string(first_words) + runtime::hex(runtime::digest(rest)) + std::string(after_digest) + "\n" + rest;
}

namespace {

class IndexParser {
 public:
  IndexParser(std::string_view text, const std::string& path) : json_(text, "checkpoint index '" + path + "'") {}

  // The digest was right, so this is text of ours, or of another version.
  CheckpointIndex parse() {
    json_.object([&](const std::string& key) {
      if (key == "step")
        index_.step = static_cast<int64_t>(json_.whole());
      else if (key == "format")
        format_ = json_.string();
      else if (key == "files")
        json_.array([&] { file(); });
      else if (key == "leaves")
        json_.object([&](std::string name) { leaf(std::move(name)); });
      else
        json_.skip();
    });
    json_.end();
    if (format_ != "tenon checkpoint 1") json_.refuse("its format is '" + format_.substr(0, 40) + "'");
    for (const StoredLeaf& l : index_.leaves) {
      int64_t rows = 0;
      int before = -1;
      for (const StoredPiece& p : l.pieces) {
        const bool known = p.rank > before && static_cast<size_t>(p.rank) < index_.files.size();
        if (!known || p.rows > l.rows() - rows) json_.refuse("the pieces of '" + l.name + "' do not make it up");
        before = p.rank;
        rows += p.rows;
      }
      if (rows != l.rows() || l.pieces.empty()) json_.refuse("the pieces of '" + l.name + "' do not make it up");
    }
    return std::move(index_);
  }

 private:
  int64_t number(int64_t most) {
    const uint64_t n = json_.whole();
    if (n > static_cast<uint64_t>(most)) json_.refuse("a number is too large");
    return static_cast<int64_t>(n);
  }

  void file() {
    if (index_.files.size() == most_ranks) json_.refuse("too many files");
    StoredFile f;
    json_.object([&](const std::string& key) {
      if (key == "bytes")
        f.bytes = json_.whole();
      else if (key == "digest")
        f.digest = json_.string();
      else
        json_.skip();
    });
    index_.files.push_back(std::move(f));
  }

  void leaf(std::string name) {
    StoredLeaf l{std::move(name), DType::f32, {}};
    json_.object([&](const std::string& key) {
      if (key == "dtype") {
        const auto known = runtime::dtype_of_safetensors(json_.string());
        if (!known) json_.refuse("an unknown dtype");
        l.dtype = *known;
      } else if (key == "shape") {
        json_.array([&] { l.shape.push_back(number(INT64_MAX)); });
      } else if (key == "pieces") {
        json_.array([&] {
          std::vector<int64_t> two;
          json_.array([&] { two.push_back(number(two.empty() ? most_ranks : INT64_MAX)); });
          if (two.size() != 2) json_.refuse("a piece is a rank and a number of rows");
          l.pieces.push_back({static_cast<int>(two[0]), two[1]});
        });
      } else {
        json_.skip();
      }
    });
    index_.leaves.push_back(std::move(l));
  }

  runtime::JsonReader json_;
  CheckpointIndex index_;
  std::string format_;
};

}  // namespace

CheckpointIndex parse_index(std::string_view text, const std::string& path) {
  const size_t start = first_words.size(), rest = start + digits + after_digest.size() + 1;
  const bool formed = text.size() > rest && text.starts_with(first_words) &&
                      text.substr(start + digits, after_digest.size()) == after_digest && text[rest - 1] == '\n';
  if (!formed || runtime::hex(runtime::digest(text.substr(rest))) != text.substr(start, digits))
    throw Error("checkpoint index '" + path + "': damaged or cut off");
  return IndexParser(text, path).parse();
}

}  // namespace tenon::dist
