// Bytes are compared with extents before memory is asked for, so a file is never believed to hold more than it does.
#include "tenon/frontend/onnx/tensors.h"

#include <charconv>
#include <cstring>

#include "tenon/runtime/input_file.h"

namespace tenon::onnx {
namespace {

constexpr struct {
  Element element;
  DType dtype;
} element_types[] = {
    {Element::f32, f32}, {Element::u8, u8},   {Element::i8, i8},           {Element::u16, u16},   {Element::i16, i16},
    {Element::i32, i32}, {Element::i64, i64}, {Element::boolean, boolean}, {Element::f16, f16},   {Element::f64, f64},
    {Element::u32, u32}, {Element::u64, u64}, {Element::c64, c64},         {Element::c128, c128}, {Element::bf16, bf16},
};

std::string quoted(const TensorText& t) { return t.name.empty() ? "a tensor" : "tensor '" + std::string(t.name) + "'"; }

struct Reader {
  const Bytes& file;
  const TensorText& text;
  Taken& taken;
  DType dtype;
  Shape shape = {};
  size_t bytes_needed = 0;

  [[noreturn]] void fail(const std::string& message) const { file.fail(quoted(text) + ": " + message); }

  uint64_t number(std::string_view key, std::string_view digits) const {
    uint64_t value = 0;
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || stop != digits.data() + digits.size())
      fail("its " + std::string(key) + " '" + std::string(digits.substr(0, 40)) + "' is no number");
    return value;
  }

  // A path below the model's folder.
  std::string path(std::string_view location) const {
    if (file.folder.empty()) fail("its numbers lie in another file, and a model of bytes has no folder");
    bool fine = !location.empty() && location.front() != '/' && location.find('\0') == location.npos &&
                location.find('\\') == location.npos;
    for (size_t at = 0; fine && at <= location.size();) {
      const size_t end = std::min(location.find('/', at), location.size());
      fine = location.substr(at, end - at) != "..";
      at = end + 1;
    }
    if (!fine) fail("the file '" + std::string(location.substr(0, 80)) + "' does not lie below the model's folder");
    return file.folder + "/" + std::string(location);
  }

  Tensor external() const {
    std::string_view location;
    uint64_t offset = 0, length = bytes_needed;
    for (const auto& [key, value] : text.external) {
      if (key == "location") location = value;
      if (key == "offset") offset = number(key, value);
      if (key == "length") length = number(key, value);
    }
    if (length != bytes_needed)
      fail("it has " + std::to_string(length) + " bytes where its extents need " + std::to_string(bytes_needed));
    const runtime::InputFile data(path(location), "ONNX external data");
    if (offset > data.size() || length > data.size() - offset)
      fail("bytes " + std::to_string(offset) + " to " + std::to_string(offset) + " + " + std::to_string(length) +
           " lie behind the end of '" + std::string(location) + "', which has " + std::to_string(data.size()));
    constexpr uint64_t most_times = 4;
    if ((taken.external[std::string(location)] += length) / most_times > data.size())
      fail("the tensors in '" + std::string(location) + "' have more than " + std::to_string(most_times) +
           " times the bytes that it has");
    std::string content(length, '\0');
    data.read(offset, content.data(), length);
    return made(content.data());
  }

  // Bools of any byte become 0 or 1.
  Tensor made(const char* data) const {
    if (dtype != boolean) return copy_from(data, shape, dtype);
    std::string clean(data, data + bytes_needed);
    for (char& c : clean) c = c != 0;
    return copy_from(clean.data(), shape, dtype);
  }

  template <class T>
  Tensor cast_list() const {
    std::vector<T> list(text.integers.begin(), text.integers.end());
    return made(reinterpret_cast<const char*>(list.data()));
  }

  void expect_count(size_t found, size_t each) const {
    const auto wanted = static_cast<size_t>(shape.numel()) * each;
    if (found != wanted)
      fail("there are " + std::to_string(found) + " numbers for " + std::to_string(wanted) + " elements");
  }

  Tensor typed() const {
    const size_t parts = is_complex(dtype) ? 2 : 1;
    if (part_of(dtype) == f32) {
      expect_count(text.floats.size(), parts);
      return made(reinterpret_cast<const char*>(text.floats.data()));
    }
    if (part_of(dtype) == f64) {
      expect_count(text.doubles.size(), parts);
      return made(reinterpret_cast<const char*>(text.doubles.data()));
    }
    expect_count(text.integers.size(), 1);
    return bytes(dtype) == 1   ? cast_list<uint8_t>()
           : bytes(dtype) == 2 ? cast_list<uint16_t>()
           : bytes(dtype) == 4 ? cast_list<uint32_t>()
                               : cast_list<uint64_t>();
  }
};

}  // namespace

std::optional<DType> known_dtype(int64_t element) {
  for (const auto& t : element_types)
    if (static_cast<int64_t>(t.element) == element) return t.dtype;
  return std::nullopt;
}

DType dtype_of(const Bytes& file, int64_t element) {
  if (const auto known = known_dtype(element)) return *known;
  if (element == static_cast<int64_t>(Element::text)) file.fail("tensors of strings are none that Tenon has");
  file.fail("element type " + std::to_string(element) + " is none that Tenon has");
}

Tensor tensor_of(const Bytes& file, const TensorText& text, Taken& taken) {
  if (text.has_strings) file.fail(quoted(text) + ": tensors of strings are none that Tenon has");
  Reader r{file, text, taken, dtype_of(file, text.element)};
  for (int64_t n : text.extents) {
    if (n < 0) r.fail("extent " + std::to_string(n) + " is negative");
    r.shape.push_back(n);
  }
  try {
    r.bytes_needed = static_cast<size_t>(byte_count(r.shape, bytes(r.dtype)));
  } catch (const Error& e) {
    r.fail(e.message());
  }
  if (text.is_external) return r.external();
  if (!text.raw) return r.typed();
  if (text.raw->size() != r.bytes_needed)
    r.fail("there are " + std::to_string(text.raw->size()) + " bytes where its extents need " +
           std::to_string(r.bytes_needed));
  return r.made(text.raw->data());
}

Tensor tensor_of(const Bytes& file, const SparseText& text, Taken& taken) {
  const Tensor values = tensor_of(file, text.values, taken), indices = tensor_of(file, text.indices, taken);
  Shape shape;
  for (int64_t n : text.extents) {
    if (n < 0) file.fail("a sparse tensor has the negative extent " + std::to_string(n));
    shape.push_back(n);
  }
  const int64_t count = values.numel();
  const auto rank = static_cast<size_t>(shape.rank());
  const bool flat = indices.ndim() == 1;
  if (values.ndim() != 1 || indices.dtype() != i64 || indices.numel() != count * static_cast<int64_t>(flat ? 1 : rank))
    file.fail("a sparse tensor has a vector of values and as many indices, in i64");
  constexpr int64_t most_sparse = int64_t{1} << 28;
  const int64_t total = byte_count(shape, bytes(values.dtype()));
  if (total > most_sparse - taken.dense) file.fail("the sparse tensors come to more than 2^28 bytes");
  taken.dense += total;
  std::string dense(static_cast<size_t>(total), '\0');
  const auto places = indices.to_vector<int64_t>();
  const auto width = static_cast<size_t>(bytes(values.dtype()));
  const auto* raw = static_cast<const char*>(values.raw());
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    int64_t at = flat ? places[i] : 0;
    for (size_t k = 0; !flat && k < rank; ++k) {
      const int64_t place = places[i * rank + k];
      if (place < 0 || place >= shape[k].number()) file.fail("an index of a sparse tensor lies outside");
      at = at * shape[k].number() + place;
    }
    if (at < 0 || at >= shape.numel()) file.fail("an index of a sparse tensor lies outside");
    std::memcpy(dense.data() + static_cast<size_t>(at) * width, raw + i * width, width);
  }
  return copy_from(dense.data(), shape, values.dtype());
}

}  // namespace tenon::onnx
