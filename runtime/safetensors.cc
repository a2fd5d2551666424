// Reading: the header is parsed field by field, as its schema has them, and then held against the size of the file.
#include "tenon/runtime/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <numeric>
#include <tuple>

#include "tenon/ir/base/error.h"
#include "tenon/runtime/json.h"
#include "tenon/runtime/shown_name.h"

namespace tenon::runtime {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are copied as they lie in the file");

constexpr const char* kind = "safetensors file";
constexpr uint64_t most_header = 100'000'000;  // the format's own library has the same
constexpr size_t most_rank = 64, most_metadata = 1'000'000;

constexpr std::array<std::string_view, dtype_count> names = {"BOOL", "I8",  "I16",  "I32", "I64", "U8",  "U16", "U32",
                                                             "U64",  "F16", "BF16", "F32", "F64", "C64", "C128"};
static_assert(static_cast<int>(DType::i8) == 1 && static_cast<int>(DType::u8) == 5 &&
              static_cast<int>(DType::f16) == 9 && static_cast<int>(DType::bf16) == 10 &&
              static_cast<int>(DType::c128) == dtype_count - 1);

[[noreturn]] void refuse(const std::string& file, const std::string& reason) {
  throw Error(std::string(kind) + " '" + file + "': " + reason);
}
std::string shown(const std::string& name) { return "tensor " + shown_name(name); }

// A header as it stands, offsets still counted from its end.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& file)
      : file_(file), json_(text, std::string(kind) + " '" + file + "': the header is damaged") {}

  SafetensorsHeader parse() {
    bool seen = false;
    json_.object([&](std::string key) {
      if (key != "__metadata__") return entry(std::move(key));
      if (seen) json_.refuse("__metadata__ stands twice");
      seen = true;
      if (!json_.take_null()) metadata();
    });
    json_.end();
    return std::move(header_);
  }

 private:
  void metadata() {
    json_.object([&](std::string key) {
      if (header_.metadata.size() == most_metadata) json_.refuse("more metadata than a million entries");
      std::string value = json_.string();
      header_.metadata.emplace_back(std::move(key), std::move(value));
    });
  }

  void entry(std::string name) {
    SafetensorsEntry e;
    e.name = std::move(name);
    bool dtype = false, shape = false, offsets = false;
    const auto first = [&](bool& seen, const std::string& field) {
      if (seen) json_.refuse(shown_name(field) + " of " + shown(e.name) + " stands twice");
      seen = true;
    };
    json_.object([&](const std::string& field) {
      if (field == "dtype") {
        first(dtype, field);
        const std::string text = json_.string();
        const std::optional<DType> known = dtype_of_safetensors(text);
        if (!known)
          refuse(file_, shown(e.name) + " has dtype " + shown_name(text.substr(0, 40)) + ", which Tenon has not");
        e.dtype = *known;
      } else if (field == "shape") {
        first(shape, field);
        json_.array([&] {
          if (e.shape.size() == most_rank) json_.refuse(shown(e.name) + " has more than 64 dimensions");
          const uint64_t extent = json_.whole();
          if (extent > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
            json_.refuse("an extent of " + shown(e.name) + " is too large");
          e.shape.push_back(static_cast<int64_t>(extent));
        });
      } else if (field == "data_offsets") {
        first(offsets, field);
        size_t count = 0;
        json_.array([&] {
          if (count == 2) json_.refuse("data_offsets of " + shown(e.name) + " are two numbers");
          (count++ == 0 ? e.begin : e.end) = json_.whole();
        });
        if (count != 2) json_.refuse("data_offsets of " + shown(e.name) + " are two numbers");
      } else {
        json_.skip();
      }
    });
    if (!dtype || !shape || !offsets) refuse(file_, shown(e.name) + " lacks its dtype, shape or data_offsets");
    header_.entries.push_back(std::move(e));
  }

  const std::string& file_;
  JsonReader json_;
  SafetensorsHeader header_;
};

// The bytes that a shape needs. Extents of zero count as one in the bound, so that no product of extents overflows anywhere later.
uint64_t bytes_of(const SafetensorsEntry& e, const std::string& file) {
  uint64_t most = static_cast<uint64_t>(bytes(e.dtype)), exact = most;
  for (const int64_t extent : e.shape) {
    const uint64_t factor = static_cast<uint64_t>(extent);
    if (factor > 1 && most > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) / factor)
      refuse(file, shown(e.name) + " has more elements than memory can hold");
    most *= std::max<uint64_t>(factor, 1);
    exact *= factor;
  }
  return exact;
}

std::vector<size_t> names_in_order(const std::vector<SafetensorsEntry>& entries, const std::string& file) {
  std::vector<size_t> order(entries.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return entries[a].name < entries[b].name; });
  for (size_t i = 1; i < order.size(); ++i)
    if (entries[order[i]].name == entries[order[i - 1]].name)
      refuse(file, shown(entries[order[i]].name) + " stands twice");
  return order;
}

// Tensors fill what is behind the header, without holes and overlaps.
void check_places(SafetensorsHeader& header, uint64_t file_bytes, const std::string& file) {
  std::sort(header.entries.begin(), header.entries.end(), [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  const uint64_t there = file_bytes - header.bytes;
  uint64_t filled = 0;
  for (SafetensorsEntry& e : header.entries) {
    const std::string place = " [" + std::to_string(e.begin) + ", " + std::to_string(e.end) + ")";
    if (e.begin > e.end || e.end > there)
      refuse(file, shown(e.name) + " at" + place + " lies beyond the " + std::to_string(there) + " bytes of elements");
    if (e.begin > filled) refuse(file, "there is a hole before " + shown(e.name) + " at" + place);
    if (e.begin < filled) refuse(file, shown(e.name) + " at" + place + " overlaps the one before it");
    const uint64_t needed = bytes_of(e, file);
    if (e.end - e.begin != needed)
      refuse(file, shown(e.name) + " needs " + std::to_string(needed) + " bytes for its shape, and has" + place);
    filled = e.end;
    e.begin += header.bytes, e.end += header.bytes;
  }
  if (filled != there) refuse(file, std::to_string(there - filled) + " bytes follow the last tensor");
}

uint64_t little_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

uint64_t prefix_bytes(std::string_view first, uint64_t file_bytes, const std::string& file) {
  if (first.size() < 8) refuse(file, "truncated in its first eight bytes");
  const uint64_t header = little_endian(first.substr(0, 8));
  if (header > most_header) {
    for (const auto& [start, what] : {std::pair("PK\3\4", "a ZIP archive; tn::load_npz reads npz files"),
                                      std::pair("\x93NUMPY", "an npy file; tn::load_npy reads it"),
                                      std::pair("GGUF", "a GGUF file; tn::load_gguf reads it")})
      if (first.starts_with(start)) refuse(file, std::string("this is no safetensors file but ") + what);
    refuse(file, "the header claims more than 100 MB; this is no safetensors file, or damaged");
  }
  if (header > file_bytes - 8) refuse(file, "truncated in its header");
  return header + 8;
}

SafetensorsHeader parse(std::string_view prefix, uint64_t file_bytes, const std::string& file) {
  const std::string_view text = prefix.substr(8);
  if (!text.starts_with('{')) refuse(file, "the header is damaged: it does not begin with '{'");
  SafetensorsHeader header = HeaderParser(text, file).parse();
  header.bytes = prefix.size();
  check_places(header, file_bytes, file);
  return header;
}

}  // namespace

std::string_view safetensors_dtype(DType dtype) { return names[static_cast<size_t>(dtype)]; }

std::optional<DType> dtype_of_safetensors(std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<DType>(found - names.begin());
}

SafetensorsHeader parse_safetensors(std::string_view file, const std::string& name) {
  SafetensorsHeader header = parse(file.substr(0, prefix_bytes(file, file.size(), name)), file.size(), name);
  names_in_order(header.entries, name);
  return header;
}

SafetensorsFile::SafetensorsFile(const std::string& path) : file_(path, kind), path_(path) {
  std::string start(std::min<uint64_t>(file_.size(), 8), '\0');
  file_.read(0, start.data(), start.size());
  prefix_.resize(prefix_bytes(start, file_.size(), path));
  file_.read(0, prefix_.data(), prefix_.size());
  header_ = parse(prefix_, file_.size(), path);
  by_name_ = names_in_order(header_.entries, path);
}

const SafetensorsEntry* SafetensorsFile::find(std::string_view name) const {
  const auto at = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                   [&](size_t i, std::string_view n) { return header_.entries[i].name < n; });
  return at != by_name_.end() && header_.entries[*at].name == name ? &header_.entries[*at] : nullptr;
}

void SafetensorsFile::read(const SafetensorsEntry& entry, void* to) const {
  file_.read(entry.begin, to, entry.bytes());
  check_bools(entry, to, path_);
}

void check_bools(const SafetensorsEntry& entry, const void* elements, const std::string& name) {
  if (entry.dtype != DType::boolean) return;
  const auto* bytes = static_cast<const unsigned char*>(elements);
  for (uint64_t i = 0; i < entry.bytes(); ++i)
    if (bytes[i] > 1)
      refuse(name, "element " + std::to_string(i) + " of the bools of " + shown(entry.name) + " is neither 0 nor 1");
}

// ---- writing

std::string safetensors_prefix(std::vector<SafetensorsEntry>& entries,
                               const std::vector<std::pair<std::string, std::string>>& metadata,
                               const std::string& name) {
  names_in_order(entries, name);
  std::sort(entries.begin(), entries.end(), [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
    const int wide = bytes(a.dtype), narrow = bytes(b.dtype);
    return wide != narrow ? wide > narrow : a.name < b.name;
  });
  const auto quoted = [&](const std::string& text) {
    if (!is_utf8(text)) refuse(name, "cannot be written: the name '" + text.substr(0, 120) + "' is not UTF-8");
    return json_quoted(text);
  };
  std::string json = "{", between;
  if (!metadata.empty()) {
    json += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) json += std::exchange(between, ",") + quoted(key) + ":" + quoted(value);
    json += "}";
  }
  uint64_t place = 0;
  for (SafetensorsEntry& e : entries) {
    if (e.name == "__metadata__") refuse(name, "cannot be written: no tensor may be called __metadata__");
    e.begin = place;
    e.end = place += bytes_of(e, name);
    json += std::exchange(between, ",") + quoted(e.name) + ":{\"dtype\":\"" + std::string(safetensors_dtype(e.dtype)) +
            "\",\"shape\":[";
    for (size_t axis = 0; axis < e.shape.size(); ++axis) json += (axis ? "," : "") + std::to_string(e.shape[axis]);
    json += "],\"data_offsets\":[" + std::to_string(e.begin) + "," + std::to_string(e.end) + "]}";
  }
  json += "}";
  json.resize((json.size() + 7) / 8 * 8, ' ');
  if (json.size() > most_header) refuse(name, "cannot be written: its names take more than 100 MB");
  std::string prefix(8, '\0');
  for (size_t i = 0; i < 8; ++i) prefix[i] = static_cast<char>(json.size() >> (8 * i) & 0xff);
  prefix += json;
  for (SafetensorsEntry& e : entries) e.begin += prefix.size(), e.end += prefix.size();
  return prefix;
}

SafetensorsWriter::SafetensorsWriter(const std::string& path, std::vector<SafetensorsEntry> entries,
                                     const std::vector<std::pair<std::string, std::string>>& metadata)
    : entries_(std::move(entries)), prefix_(safetensors_prefix(entries_, metadata, path)), file_(path, kind) {
  file_.write(prefix_);
}

void SafetensorsWriter::write(const void* elements) {
  ensure(next_ < entries_.size(), "more tensors written than a file has");
  file_.write({static_cast<const char*>(elements), entries_[next_++].bytes()});
}

void SafetensorsWriter::finish() {
  ensure(next_ == entries_.size(), "fewer tensors written than a file has");
  file_.put();
}

}  // namespace tenon::runtime
