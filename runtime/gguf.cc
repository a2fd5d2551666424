// One pass from the first byte to the last of the header; then the tensors' places are held against each other and the file.
#include "tenon/runtime/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "tenon/ir/base/error.h"
#include "tenon/runtime/shown_name.h"

namespace tenon::runtime {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are read as they lie in the file");

constexpr std::string_view magic = "GGUF";
constexpr size_t most_rank = 64;
constexpr uint64_t most_alignment = uint64_t{1} << 30;

// What values may be; numbers as the file has them.
enum class Kind : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };
constexpr uint32_t kinds = 13;
constexpr std::array<uint64_t, kinds> least_bytes = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};
constexpr bool is_floating(Kind k) { return k == Kind::f32 || k == Kind::f64; }
constexpr bool is_signed(Kind k) { return k == Kind::i8 || k == Kind::i16 || k == Kind::i32 || k == Kind::i64; }

class Reader {
 public:
  Reader(std::string_view file, const std::string& who) : file_(file), who_(who) {}

  GgufHeader parse() {
    if (!file_.starts_with(magic)) fail("not a GGUF file (it does not begin with GGUF)");
    at_ = magic.size();
    header_.version = static_cast<uint32_t>(whole(4));
    if (header_.version != 0 && (header_.version & 0xffff) == 0) fail("big-endian files are not supported");
    if (header_.version != 2 && header_.version != 3)
      fail("format version " + std::to_string(header_.version) + ", not 2 or 3");
    const uint64_t tensors = whole(8), values = whole(8);
    check_count(tensors, 8 + 4 + 4 + 8, "tensors");
    check_count(values, 8 + 4 + 1, "metadata");
    for (uint64_t i = 0; i < values; ++i) read_metadata();
    header_.entries.reserve(tensors);
    for (uint64_t i = 0; i < tensors; ++i) read_entry();
    check_places();
    return std::move(header_);
  }

 private:
  [[noreturn]] void fail(const std::string& reason) const { throw Error(who_ + ": " + reason); }

  std::string_view take(uint64_t bytes) {
    if (bytes > file_.size() - at_)
      fail("truncated at byte " + std::to_string(at_) + (subject_.empty() ? "" : ", in " + subject_));
    const std::string_view text = file_.substr(at_, bytes);
    at_ += bytes;
    return text;
  }

  uint64_t whole(size_t bytes) {
    uint64_t value = 0;
    std::memcpy(&value, take(bytes).data(), bytes);
    return value;
  }

  void check_count(uint64_t count, uint64_t least, const char* what) const {
    if (count > (file_.size() - at_) / least)
      fail("claims " + std::to_string(count) + " " + what + ", more than its " + std::to_string(file_.size()) +
           " bytes can hold");
  }

  std::string string() { return std::string(take(whole(8))); }

  // Of a key or a tensor; what is read next is that one's.
  std::string name(const char* what) {
    subject_.clear();
    std::string text = string();
    subject_ = what + shown_name(text);
    if (text.empty() || text.find('\0') != std::string::npos) fail("no name: " + subject_);
    return text;
  }

  Kind kind() {
    const uint64_t code = whole(4);
    if (code >= kinds) fail(subject_ + " has the unknown type " + std::to_string(code));
    return static_cast<Kind>(code);
  }

  double floating(Kind k) {
    if (k == Kind::f64) return std::bit_cast<double>(whole(8));
    return static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(whole(4))));
  }
  bool truth() {
    const uint64_t byte = whole(1);
    if (byte > 1) fail(subject_ + ": a bool is neither 0 nor 1");
    return byte == 1;
  }
  // Of any width, as 64 bits.
  uint64_t integer(Kind k) {
    const auto bytes = static_cast<size_t>(least_bytes[static_cast<uint32_t>(k)]);
    const uint64_t value = whole(bytes);
    if (!is_signed(k) || bytes == 8) return value;
    const unsigned unused = static_cast<unsigned>(64 - 8 * bytes);
    return static_cast<uint64_t>(static_cast<int64_t>(value << unused) >> unused);
  }

  GgufValue scalar(Kind k) {
    if (k == Kind::string) return GgufValue(string());
    if (k == Kind::boolean) return GgufValue(truth());
    if (is_floating(k)) return GgufValue(floating(k));
    const uint64_t value = integer(k);
    if (k == Kind::u64 && value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return GgufValue(value);
    return GgufValue(static_cast<int64_t>(value));
  }

  GgufValue array() {
    const Kind k = kind();
    if (k == Kind::array) fail(subject_ + " is an array of arrays, which is not supported");
    const uint64_t count = whole(8);
    if (count > (file_.size() - at_) / least_bytes[static_cast<uint32_t>(k)])
      fail(subject_ + " claims " + std::to_string(count) + " elements, more than the file can hold");
    if (k == Kind::string) return GgufValue(list<std::string>(count, [&] { return string(); }));
    if (k == Kind::boolean) return GgufValue(list<bool>(count, [&] { return truth(); }));
    if (is_floating(k)) return GgufValue(list<double>(count, [&] { return floating(k); }));
    if (k != Kind::u64) return GgufValue(list<int64_t>(count, [&] { return static_cast<int64_t>(integer(k)); }));
    std::vector<uint64_t> wide = list<uint64_t>(count, [&] { return integer(k); });
    const auto fits = [](uint64_t v) { return v <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()); };
    if (!std::all_of(wide.begin(), wide.end(), fits)) return GgufValue(std::move(wide));
    return GgufValue(std::vector<int64_t>(wide.begin(), wide.end()));
  }
  template <class T, class F>
  std::vector<T> list(uint64_t count, const F& element) {
    std::vector<T> out;
    out.reserve(count);
    for (uint64_t i = 0; i < count; ++i) out.push_back(element());
    return out;
  }

  void read_metadata() {
    std::string key = name("the key ");
    const Kind k = kind();
    GgufValue value = k == Kind::array ? array() : scalar(k);
    if (!header_.metadata.emplace(std::move(key), std::move(value)).second) fail(subject_ + " stands twice");
  }

  void read_entry() {
    GgufEntry e;
    e.name = name("tensor ");
    const uint64_t rank = whole(4);
    if (rank > most_rank) fail(subject_ + " has " + std::to_string(rank) + " dimensions, more than 64");
    constexpr uint64_t most = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    uint64_t product = 1;  // extents of zero count as one, so that no product of extents overflows anywhere later
    e.elements = 1;
    for (uint64_t axis = 0; axis < rank; ++axis) {
      const uint64_t extent = whole(8), factor = std::max<uint64_t>(extent, 1);
      if (extent > most || product > most / 16 / factor) fail(subject_ + " has more elements than memory can hold");
      product *= factor, e.elements *= extent;
      e.shape.push_back(static_cast<int64_t>(extent));
    }
    const auto id = static_cast<uint32_t>(whole(4));
    e.type = gguf_type(id);
    if (e.type == nullptr) {
      const std::string_view known = gguf_type_name(id);
      fail(subject_ + " has element type " + (known.empty() ? std::to_string(id) : std::string(known)) +
           ", which Tenon does not read");
    }
    if ((e.shape.empty() ? 1 : static_cast<uint64_t>(e.shape[0])) % e.type->block != 0)
      fail(subject_ + ": rows of " + std::to_string(e.shape.empty() ? 1 : e.shape[0]) + " elements are no blocks of " +
           std::string(e.type->name));
    std::reverse(e.shape.begin(), e.shape.end());
    e.bytes = e.elements / e.type->block * e.type->block_bytes;
    e.begin = whole(8);
    header_.entries.push_back(std::move(e));
  }

  uint64_t alignment() const {
    const auto found = header_.metadata.find("general.alignment");
    if (found == header_.metadata.end()) return 32;
    const auto* value = found->second.get<int64_t>();
    if (value == nullptr || *value <= 0 || static_cast<uint64_t>(*value) > most_alignment ||
        (*value & (*value - 1)) != 0)
      fail("general.alignment is no power of two");
    return static_cast<uint64_t>(*value);
  }

  void check_places() {
    const uint64_t align = alignment(), start = (at_ + align - 1) / align * align;
    const uint64_t there = file_.size() - std::min<uint64_t>(start, file_.size());
    std::vector<const GgufEntry*> order;
    for (GgufEntry& e : header_.entries) {
      const std::string who = "tensor " + shown_name(e.name) + " at " + std::to_string(e.begin);
      if (e.begin % align != 0) fail(who + " is not aligned to " + std::to_string(align) + " bytes");
      if (e.begin > there || e.bytes > there - e.begin)
        fail(who + " needs " + std::to_string(e.bytes) + " bytes, beyond the " + std::to_string(there) +
             " that the file has for tensors");
      e.begin = std::min<uint64_t>(e.begin + start, file_.size());  // of no bytes: where a header ends the file, too
      if (e.bytes != 0) order.push_back(&e);
    }
    std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->begin < b->begin; });
    for (size_t i = 1; i < order.size(); ++i)
      if (order[i]->begin < order[i - 1]->begin + order[i - 1]->bytes)
        fail("tensors " + shown_name(order[i - 1]->name) + " and " + shown_name(order[i]->name) + " overlap");
    std::vector<std::string_view> names;
    for (const GgufEntry& e : header_.entries) names.push_back(e.name);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end()) fail("tensor " + shown_name(*twice) + " stands twice");
  }

  const std::string_view file_;
  const std::string& who_;
  uint64_t at_ = 0;
  std::string subject_;  // what is being read
  GgufHeader header_;
};

}  // namespace

GgufHeader parse_gguf(std::string_view file, const std::string& who) { return Reader(file, who).parse(); }

}  // namespace tenon::runtime
