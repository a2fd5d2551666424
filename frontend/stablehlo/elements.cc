// Decimal numbers, bit patterns (0x7F800000), booleans, pairs for complex numbers, and the raw bytes of "0x...". Lists are read with a
// counter per level instead of by recursion.
#include "tenon/frontend/stablehlo/elements.h"

#include <bit>
#include <charconv>
#include <cstring>
#include <limits>

#include "tenon/ir/base/half.h"

namespace tenon::hlo {
namespace {

class ElementReader {
 public:
  ElementReader(const Source& source, const Attribute& dense)
      : in_(source, static_cast<size_t>(dense.text.data() - source.text.data()),
            static_cast<size_t>(dense.text.data() - source.text.data()) + dense.text.size()),
        type_(dense.type) {}

  Elements read() {
    Elements e;
    if (!type_.dtype) in_.fail("numbers of type " + std::string(type_.element) + " are none that Tenon has");
    e.dtype = *type_.dtype;
    is_complex_ = type_.element.starts_with("complex<");
    part_ = !is_complex_ ? e.dtype : bytes(e.dtype) == 16 ? f64 : f32;
    for (int64_t n : type_.extents) {
      if (n < 0) in_.fail("a constant has no free extents");
      e.shape.push_back(n);
    }
    check_size(e.shape, bytes(e.dtype));
    count_ = e.shape.numel();
    if (in_.peek() == '"') {
      raw(e);
    } else if (in_.peek() == '[') {
      list(e);
    } else if (in_.peek() != 0) {
      e.splat = true;
      element(e.bytes);
    }
    if (in_.peek() != 0) in_.fail("there is more than the numbers of a constant");
    if (!e.splat && e.bytes.size() != static_cast<size_t>(count_) * static_cast<size_t>(bytes(e.dtype)))
      in_.fail("there are " + std::to_string(e.bytes.size() / static_cast<size_t>(bytes(e.dtype))) + " numbers for " +
               std::to_string(count_) + " elements");
    if (count_ == 0) {
      e.splat = false;
      e.bytes.clear();
    }
    return e;
  }

 private:
  void list(Elements& e) {
    const size_t rank = e.shape.size();
    std::vector<int64_t> done;  // of the open lists: items so far
    do {
      if (in_.accept("[")) {
        if (done.size() == rank) in_.fail("lists nest deeper than the " + std::to_string(rank) + " axes of the type");
        done.push_back(0);
        if (in_.looking_at("]") && !(e.shape[done.size() - 1] == 0)) in_.fail("this list is empty");
        if (in_.looking_at("]")) close(done, e.shape);
        continue;
      }
      if (done.size() != rank) in_.fail("a list of rank " + std::to_string(rank) + " is expected");
      element(e.bytes);
      ++done.back();
      if (in_.accept(",")) continue;
      close(done, e.shape);
    } while (!done.empty());
  }

  // Closes lists as far as the text does; then another begins, or all are closed.
  void close(std::vector<int64_t>& done, const Shape& shape) {
    for (;;) {
      in_.expect("]");
      if (!(shape[done.size() - 1] == done.back()))
        in_.fail("this list has " + std::to_string(done.back()) + " items, its axis " +
                 std::to_string(shape[done.size() - 1].number()));
      done.pop_back();
      if (done.empty()) return;
      ++done.back();
      if (in_.accept(",")) return;
    }
  }

  void element(std::string& out) {
    if (!is_complex_) return number(out);
    in_.expect("(");
    number(out);
    in_.expect(",");
    number(out);
    in_.expect(")");
  }

  template <class T>
  void put(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  void put_bits(std::string& out, uint64_t bits, int width) {
    static_assert(std::endian::native == std::endian::little);
    out.append(reinterpret_cast<const char*>(&bits), static_cast<size_t>(width));
  }

  void number(std::string& out) {
    if (in_.accept("true")) return put_bits(out, part_ == boolean ? 1 : ~uint64_t{0}, bytes(part_));
    if (in_.accept("false")) return put_bits(out, 0, bytes(part_));
    const size_t at = in_.at();
    const std::string_view text = in_.number_text();
    if (is_floating(part_) && !text.starts_with("0x") && !text.starts_with("0X")) return floating(out, text, at);
    const bool negative = text.starts_with("-");
    const bool hex = text.starts_with("0x") || text.starts_with("0X");
    const std::string_view digits = text.substr(negative ? 1 : hex ? 2 : 0);
    uint64_t value = 0;
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, hex ? 16 : 10);
    const int width = bits(part_);
    const uint64_t most = is_signed(part_) && !hex ? (uint64_t{1} << (width - 1)) - (negative ? 0 : 1)
                          : width == 64            ? ~uint64_t{0}
                                                   : (uint64_t{1} << width) - 1;
    if (error != std::errc() || stop != digits.data() + digits.size() || value > most ||
        (negative && !is_signed(part_) && value != 0))
      in_.source().fail(at, "'" + std::string(text) + "' is no number of type " + std::string(type_.element));
    put_bits(out, negative ? ~value + 1 : value, bytes(part_));
  }

  void floating(std::string& out, std::string_view text, size_t at) {
    if (part_ == f32) return put(out, parsed<float>(text, at));
    const double value = parsed<double>(text, at);
    if (part_ == f64) return put(out, value);
    put(out, ir::half_from_double(part_ == f16 ? ir::f16_format : ir::bf16_format, value));
  }

  template <class T>
  T parsed(std::string_view text, size_t at) {
    if (text.starts_with("+")) text.remove_prefix(1);
    T value{};
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (stop != text.data() + text.size()) in_.source().fail(at, "'" + std::string(text) + "' is no number");
    if (error == std::errc::result_out_of_range) {  // as small as nothing, or as large as infinity
      const size_t e = text.find_first_of("eE");
      value = e != std::string_view::npos && text.substr(e + 1).starts_with("-") ? T{0}
                                                                                 : std::numeric_limits<T>::infinity();
      if (text.starts_with("-")) value = -value;
    }
    return value;
  }

  void raw(Elements& e) {
    const size_t at = in_.at();
    const std::string_view text = in_.quoted();
    const auto digit = [&](char c) -> int {
      if (c >= '0' && c <= '9') return c - '0';
      if (c >= 'A' && c <= 'F') return c - 'A' + 10;
      if (c >= 'a' && c <= 'f') return c - 'a' + 10;
      in_.source().fail(at, "a string of bytes is written 0x and two hexadecimal digits for each");
    };
    if (!text.starts_with("0x") || text.size() % 2 != 0) digit('?');
    std::string found;
    found.reserve(text.size() / 2);
    for (size_t i = 2; i < text.size(); i += 2) found += static_cast<char>(digit(text[i]) * 16 + digit(text[i + 1]));
    const auto width = static_cast<size_t>(bytes(e.dtype)), count = static_cast<size_t>(count_);
    if (e.dtype == boolean) {  // bits, the lowest first
      e.splat = count != 1 && found.size() == 1 && (found[0] == '\xff' || found[0] == '\0');
      if (!e.splat && found.size() != (count + 7) / 8)
        in_.source().fail(
            at, "there are " + std::to_string(found.size()) + " bytes for " + std::to_string(count) + " bits");
      for (size_t i = 0; i < (e.splat ? 1 : count); ++i) e.bytes += static_cast<char>((found[i / 8] >> (i % 8)) & 1);
      return;
    }
    e.splat = found.size() == width && count != 1;
    if (!e.splat && found.size() != width * count)
      in_.source().fail(at, "there are " + std::to_string(found.size()) + " bytes for " + std::to_string(count) +
                                " elements of " + std::to_string(width));
    e.bytes = std::move(found);
  }

  Scanner in_;
  const TensorType& type_;
  DType part_{};  // of a complex number each half
  bool is_complex_ = false;
  int64_t count_ = 0;
};

}  // namespace

Elements elements_of(const Source& source, const Attribute& dense) {
  if (dense.kind != Attribute::Kind::dense) source.fail(dense.at, "expected dense<...> : tensor<...>");
  if (!dense.type.ranked) source.fail(dense.at, "a constant is a tensor with a shape");
  return ElementReader(source, dense).read();
}

std::vector<int64_t> integers_of(const Source& source, const Attribute& list) {
  std::vector<int64_t> numbers;
  if (list.kind == Attribute::Kind::dense) {
    const Elements e = elements_of(source, list);
    if (!is_signed(e.dtype) && e.dtype != boolean) source.fail(list.at, "expected whole numbers");
    const int64_t count = e.shape.numel();
    if (count > 65536) source.fail(list.at, "a list of at most 65536 numbers is expected");
    const auto width = static_cast<size_t>(bytes(e.dtype));
    for (int64_t i = 0; i < count; ++i) {
      const char* at = e.bytes.data() + (e.splat ? 0 : static_cast<size_t>(i) * width);
      uint64_t bits = 0;
      std::memcpy(&bits, at, width);
      const int unused = 64 - 8 * static_cast<int>(width);
      numbers.push_back(static_cast<int64_t>(bits << unused) >> unused);
    }
    return numbers;
  }
  if (list.kind != Attribute::Kind::list) source.fail(list.at, "expected a list of whole numbers");
  for (const Attribute& item : list.items) {
    if (item.kind == Attribute::Kind::integer || item.kind == Attribute::Kind::boolean) {
      numbers.push_back(item.integer);
    } else {
      for (const Attribute& inner : item.items) {
        if (inner.kind != Attribute::Kind::integer) source.fail(inner.at, "expected a whole number");
        numbers.push_back(inner.integer);
      }
      if (item.kind != Attribute::Kind::list) source.fail(item.at, "expected a whole number");
    }
  }
  return numbers;
}

}  // namespace tenon::hlo
