// Reads and writes .npy files. The header is a literal of a Python dict; the parser here knows that literal and no more.
// Source of the format: NumPy enhancement proposal 1 and numpy.lib.format.
#include "tenon/runtime/npy.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <new>
#include <optional>
#include <utility>

#include "tenon/ir/base/error.h"
#include "tenon/runtime/input_file.h"
#include "tenon/runtime/new_file.h"
#include "tenon/runtime/shown_name.h"
#include "tenon/runtime/strided.h"

namespace tenon::runtime {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are copied as they lie in the file");

constexpr std::string_view magic = "\x93NUMPY";
constexpr uint64_t most_header = uint64_t{1} << 20;
constexpr size_t most_rank = 64;  // NumPy's own limit

struct Descr {
  DType dtype;
  std::string_view text;
};
constexpr std::array<Descr, dtype_count> descr_table = {{{DType::boolean, "|b1"},
                                                         {DType::i8, "|i1"},
                                                         {DType::i16, "<i2"},
                                                         {DType::i32, "<i4"},
                                                         {DType::i64, "<i8"},
                                                         {DType::u8, "|u1"},
                                                         {DType::u16, "<u2"},
                                                         {DType::u32, "<u4"},
                                                         {DType::u64, "<u8"},
                                                         {DType::f16, "<f2"},
                                                         {DType::bf16, "<V2"},
                                                         {DType::f32, "<f4"},
                                                         {DType::f64, "<f8"},
                                                         {DType::c64, "<c8"},
                                                         {DType::c128, "<c16"}}};

constexpr bool in_dtype_order() {
  for (int i = 0; i < dtype_count; ++i)
    if (descr_table[i].dtype != static_cast<DType>(i)) return false;
  return true;
}
static_assert(in_dtype_order());

[[noreturn]] void refuse(const std::string& who, const std::string& reason) { throw Error(who + ": " + reason); }
std::string who_is(const std::string& path) { return "npy file '" + path + "'"; }

struct Layout {  // what a header says, checked against the file's size
  DType dtype = DType::f32;
  bool big_endian = false, fortran_order = false;
  std::vector<int64_t> shape;
  uint64_t offset = 0, bytes = 0;  // of the elements
};

// ---- the header

class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& name) : rest_(text), name_(name) {}

  Layout parse() {
    std::optional<std::string_view> descr;
    std::optional<bool> fortran_order;
    std::optional<std::vector<int64_t>> shape;
    expect('{');
    while (!take('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr" && !descr) {
        if (peek() == '[') refuse(name_, "structured arrays (a list as 'descr') are not supported; save each field");
        descr = quoted();
      } else if (key == "fortran_order" && !fortran_order) {
        fortran_order = boolean_word();
      } else if (key == "shape" && !shape) {
        shape = tuple();
      } else {
        fail("an unknown or repeated key");
      }
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    if (peek() != '\0' || !rest_.empty()) fail("text behind the dict");
    if (!descr || !fortran_order || !shape) fail("'descr', 'fortran_order' or 'shape' is missing");
    const auto [dtype, big_endian] = dtype_of(*descr);
    return {dtype, big_endian, *fortran_order, std::move(*shape), 0, 0};
  }

 private:
  [[noreturn]] void fail(const std::string& reason) { refuse(name_, "the header is damaged: " + reason); }

  char peek() {  // the next character that is no space; 0 at the end
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n' || rest_[0] == '\t' || rest_[0] == '\r'))
      rest_.remove_prefix(1);
    return rest_.empty() ? '\0' : rest_[0];
  }

  bool take(char c) {
    if (peek() != c || rest_.empty()) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void expect(char c) {
    if (!take(c)) fail(std::string("'") + c + "' expected");
  }

  std::string_view quoted() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') fail("a quoted string expected");
    const size_t end = rest_.find(quote, 1);
    if (end == std::string_view::npos) fail("a string does not end");
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return text;
  }

  bool boolean_word() {
    peek();
    for (const bool value : {true, false}) {
      const std::string_view word = value ? "True" : "False";
      if (!rest_.starts_with(word)) continue;
      rest_.remove_prefix(word.size());
      return value;
    }
    fail("True or False expected");
  }

  std::vector<int64_t> tuple() {
    std::vector<int64_t> extents;
    expect('(');
    bool comma = true;
    while (!take(')')) {
      if (!comma || extents.size() == most_rank) fail("a tuple of at most 64 extents expected");
      extents.push_back(extent());
      comma = take(',');
    }
    if (extents.size() == 1 && !comma) fail("a shape of one extent is written (n,)");
    return extents;
  }

  int64_t extent() {
    peek();
    int64_t value = 0;
    size_t digits = 0;
    for (; digits < rest_.size() && rest_[digits] >= '0' && rest_[digits] <= '9'; ++digits) {
      if (digits == 18) fail("an extent is too large");
      value = value * 10 + (rest_[digits] - '0');
    }
    if (digits == 0) fail("a non-negative integer expected");
    rest_.remove_prefix(digits);
    if (rest_.starts_with("L")) rest_.remove_prefix(1);  // as Python 2 wrote long integers
    return value;
  }

  std::pair<DType, bool> dtype_of(std::string_view descr) {  // and whether it is big-endian
    if (descr == "|V2") return {DType::bf16, false};
    const std::string_view order = descr.substr(0, 1), kind = descr.substr(order.size());
    for (const Descr& row : descr_table) {
      if (row.text.substr(1) != kind) continue;
      if (row.text.substr(0, 1) == order) return {row.dtype, false};
      const bool byte = row.text[0] == '|';  // whose order says nothing
      if ((order == ">" && row.dtype != DType::bf16) || (byte && order == "<")) return {row.dtype, !byte};
    }
    const std::string shown = shown_name(descr.substr(0, 40));
    if (descr.find('O') != std::string_view::npos) refuse(name_, "Python objects are not loaded: they can run code");
    refuse(name_, "dtype " + shown + " is not one of Tenon's; convert the array before it is saved");
  }

  std::string_view rest_;
  const std::string& name_;
};

uint64_t little_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

// `start` holds the file's first bytes: all of them, or at least twelve and most_header.
Layout parse_layout(std::string_view start, uint64_t file_bytes, const std::string& name) {
  if (!start.starts_with(magic)) refuse(name, "not an .npy file (it does not begin with \\x93NUMPY)");
  if (start.size() < 8) refuse(name, "truncated in its first bytes");
  const int version = static_cast<unsigned char>(start[6]);
  if (version < 1 || version > 3 || start[7] != 0) refuse(name, "format version is not 1.0, 2.0 or 3.0");
  const size_t prefix = version == 1 ? 10 : 12;
  if (start.size() < prefix) refuse(name, "truncated in its first bytes");
  const uint64_t header_bytes = little_endian(start.substr(8, prefix - 8));
  if (header_bytes > most_header) refuse(name, "the header claims more than 1 MiB");
  if (start.size() - prefix < header_bytes) refuse(name, "truncated in its header");

  Layout layout = HeaderParser(start.substr(prefix, header_bytes), name).parse();
  layout.offset = prefix + header_bytes;
  // Extents of zero count as one here, so that no product of extents overflows anywhere later.
  const uint64_t element = static_cast<uint64_t>(bytes(layout.dtype));
  uint64_t most = element;
  layout.bytes = element;
  for (const int64_t extent : layout.shape) {
    const uint64_t factor = static_cast<uint64_t>(extent);
    if (factor > 1 && most > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) / factor)
      refuse(name, "the shape has more elements than memory can hold");
    most *= std::max<uint64_t>(factor, 1);
    layout.bytes *= factor;
  }
  const uint64_t there = file_bytes - layout.offset;
  if (there < layout.bytes)
    refuse(name, "truncated: the shape needs " + std::to_string(layout.bytes) + " bytes, the file holds " +
                     std::to_string(there));
  if (there > layout.bytes) refuse(name, std::to_string(there - layout.bytes) + " bytes follow the array");
  return layout;
}

// ---- the elements

// Every number of an element on its own: a complex one is two.
void swap_bytes(std::vector<std::byte>& elements, size_t number) {
  if (number == 1) return;
  for (auto at = elements.begin(); at != elements.end(); at += static_cast<std::ptrdiff_t>(number))
    std::reverse(at, at + static_cast<std::ptrdiff_t>(number));
}

NpyArray finish(Layout layout, std::vector<std::byte> elements, const std::string& name) {
  if (layout.dtype == DType::boolean) {
    const auto bad = std::find_if(elements.begin(), elements.end(), [](std::byte b) { return b > std::byte{1}; });
    if (bad != elements.end())
      refuse(name, "element " + std::to_string(bad - elements.begin()) + " of a bool array is neither 0 nor 1");
  }
  if (layout.big_endian) swap_bytes(elements, static_cast<size_t>(bytes(part_of(layout.dtype))));
  const std::vector<int64_t> strides = column_major_strides(layout.shape);
  if (layout.fortran_order && !is_row_major(layout.shape, strides)) {
    std::vector<std::byte> from(elements.size());
    from.swap(elements);
    gather(elements.data(), from.data(), layout.shape, strides, bytes(layout.dtype));
  }
  return {layout.dtype, std::move(layout.shape), std::move(elements)};
}

}  // namespace

NpyArray read_npy(const NpySource& source, uint64_t size, const std::string& who) {
  std::string start;
  const auto more = [&](uint64_t bytes) {
    const size_t before = start.size();
    start.resize(before + std::min(bytes, size - before));
    source(start.data() + before, start.size() - before);
  };
  more(10);
  if (start.starts_with(magic) && start.size() == 10) {
    const bool short_length = start[6] == 1;  // two bytes; later versions have four
    if (!short_length) more(2);
    more(std::min(little_endian(std::string_view(start).substr(8)), most_header));
  }
  Layout layout = parse_layout(start, size, who);
  std::vector<std::byte> elements;
  try {
    elements.resize(layout.bytes);
  } catch (const std::bad_alloc&) {
    refuse(who, "out of memory: " + std::to_string(layout.bytes) + " bytes could not be allocated");
  }
  source(elements.data(), layout.bytes);
  return finish(std::move(layout), std::move(elements), who);
}

NpyArray parse_npy(std::string_view file, const std::string& name) {
  std::string_view rest = file;
  const auto source = [&](void* to, uint64_t bytes) {
    if (bytes != 0) std::memcpy(to, rest.data(), bytes);
    rest.remove_prefix(bytes);
  };
  return read_npy(source, file.size(), who_is(name));
}

NpyArray read_npy(const std::string& path) {
  const InputFile file(path, "npy file");
  uint64_t at = 0;
  const auto source = [&](void* to, uint64_t bytes) { file.read(std::exchange(at, at + bytes), to, bytes); };
  return read_npy(source, file.size(), who_is(path));
}

std::string npy_prefix(DType dtype, std::span<const int64_t> shape) {
  std::string header = "{'descr': '" + std::string(descr_table[static_cast<size_t>(dtype)].text) +
                       "', 'fortran_order': False, 'shape': (";
  for (size_t axis = 0; axis < shape.size(); ++axis)
    header += (axis == 0 ? "" : " ") + std::to_string(shape[axis]) + (axis + 1 < shape.size() || axis == 0 ? "," : "");
  header += "), }";
  header.resize((header.size() + 1 + 10 + 63) / 64 * 64 - 10, ' ');
  header.back() = '\n';
  ensure(header.size() <= 0xffff, "npy header too long for version 1");
  std::string prefix(magic);
  prefix += {'\1', '\0', static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  return prefix + header;
}

void write_npy(const std::string& path, DType dtype, std::span<const int64_t> shape, const void* elements) {
  uint64_t count = static_cast<uint64_t>(bytes(dtype));
  for (const int64_t extent : shape) count *= static_cast<uint64_t>(extent);
  NewFile file(path, "npy file");
  file.write(npy_prefix(dtype, shape));
  file.write({static_cast<const char*>(elements), count});
  file.put();
}

}  // namespace tenon::runtime
