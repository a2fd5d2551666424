// Reads a cubin's sections and the log's lines. Every offset and size is checked before it is followed.
#include "tenon/codegen/cuda/cubin.h"

#include <charconv>
#include <cstring>

namespace tenon::codegen {
namespace {

template <class T>
std::optional<T> word_at(std::string_view image, uint64_t at) {
  if (at > image.size() || image.size() - at < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, image.data() + at, sizeof value);
  return value;
}

std::optional<std::string_view> part_of(std::string_view image, uint64_t at, uint64_t size) {
  if (at > image.size() || image.size() - at < size) return std::nullopt;
  return image.substr(at, size);
}

// The text at an offset of a table of strings, which must end inside.
std::optional<std::string_view> string_at(std::string_view table, uint64_t at) {
  if (at >= table.size()) return std::nullopt;
  const size_t end = table.find('\0', at);
  if (end == std::string_view::npos) return std::nullopt;
  return table.substr(at, end - at);
}

void count(CubinCode& code, uint64_t low, uint64_t high) {
  const auto by_width = [&](CubinAccesses& accesses) {
    const uint64_t size = high >> 9 & 7;  // bits 73 to 75
    ++(size == 6 ? accesses.bits128 : size == 5 ? accesses.bits64 : accesses.bits32);
  };
  ++code.instructions;
  switch (low & 0xfff) {
    case 0x981: return by_width(code.loads);
    case 0x986: return by_width(code.stores);
    case 0x984: ++code.shared_loads; return;
    case 0x388:
    case 0x988: ++code.shared_stores; return;
    case 0x983: ++code.local_loads; return;
    case 0x387: ++code.local_stores; return;
    case 0x308: ++code.special; return;
    case 0x943:
    case 0x944: ++code.calls; return;
    case 0x23c: ++code.matrix; return;
    case 0x9f0: ++code.group_matrix; return;
    case 0xf89:
    case 0x389:
    case 0x589:
    case 0x989: ++code.shuffles; return;
    case 0xb1d: ++code.barriers; return;
    default: return;
  }
}

// The number before or behind a place in a line; -1: none.
int number_before(std::string_view line, std::string_view what) {
  const size_t at = line.find(what);
  if (at == std::string_view::npos || at == 0) return -1;
  size_t begin = at;
  while (begin > 0 && line[begin - 1] >= '0' && line[begin - 1] <= '9') --begin;
  int value = -1;
  return std::from_chars(line.data() + begin, line.data() + at, value).ec == std::errc() ? value : -1;
}

}  // namespace

std::optional<std::vector<CubinCode>> read_cubin(std::string_view image) {
  constexpr std::string_view magic(
      "\x7f"
      "ELF\x02\x01",
      6);  // 64 bits, little-endian
  const auto start = word_at<uint64_t>(image, 0x28);
  const auto entry = word_at<uint16_t>(image, 0x3a), entries = word_at<uint16_t>(image, 0x3c),
             names = word_at<uint16_t>(image, 0x3e);
  if (!image.starts_with(magic) || !start || !names || *entry < 64 || *names >= *entries) return std::nullopt;
  struct Section {
    uint32_t name;
    std::string_view bytes;
  };
  std::vector<Section> sections;
  for (uint64_t s = 0; s < *entries; ++s) {
    if (*start > image.size()) return std::nullopt;
    const uint64_t at = *start + s * *entry;
    const auto name = word_at<uint32_t>(image, at), type = word_at<uint32_t>(image, at + 4);
    const auto offset = word_at<uint64_t>(image, at + 24), size = word_at<uint64_t>(image, at + 32);
    if (!size || !offset || !type || !name) return std::nullopt;
    constexpr uint32_t without_bytes = 8;  // SHT_NOBITS
    const auto bytes = *type == without_bytes ? std::string_view() : part_of(image, *offset, *size);
    if (!bytes) return std::nullopt;
    sections.push_back({*name, *bytes});
  }
  std::vector<CubinCode> kernels;
  for (const Section& s : sections) {
    const auto name = string_at(sections[*names].bytes, s.name);
    if (!name) return std::nullopt;
    constexpr std::string_view prefix = ".text.";
    if (!name->starts_with(prefix)) continue;
    if (s.bytes.size() % 16 != 0) return std::nullopt;
    CubinCode code;
    code.name = name->substr(prefix.size());
    for (size_t at = 0; at < s.bytes.size(); at += 16)
      count(code, *word_at<uint64_t>(s.bytes, at), *word_at<uint64_t>(s.bytes, at + 8));
    kernels.push_back(std::move(code));
  }
  return kernels;
}

// Lines such as
//   ptxas info    : Compiling entry function 'NAME' for 'sm_90a'
//   ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
//   ptxas info    : Used 12 registers, used 1 barriers, 1024 bytes smem
std::vector<CubinKernel> read_ptxas_log(std::string_view log) {
  std::vector<CubinKernel> kernels;
  while (!log.empty()) {
    const size_t end = std::min(log.find('\n'), log.size());
    const std::string_view line = log.substr(0, end);
    log.remove_prefix(std::min(end + 1, log.size()));
    constexpr std::string_view begins = "Compiling entry function '";
    if (const size_t at = line.find(begins); at != std::string_view::npos) {
      const std::string_view rest = line.substr(at + begins.size());
      kernels.emplace_back();
      kernels.back().name = rest.substr(0, rest.find('\''));
      continue;
    }
    if (kernels.empty()) continue;
    CubinKernel& k = kernels.back();
    const auto take = [&](int& number, std::string_view what) {
      if (const int value = number_before(line, what); value >= 0) number = value;
    };
    take(k.stack, " bytes stack frame");
    take(k.spill_stores, " bytes spill stores");
    take(k.spill_loads, " bytes spill loads");
    take(k.registers, " registers");
    take(k.shared, " bytes smem");
  }
  return kernels;
}

}  // namespace tenon::codegen
