// The manifest beside a saved program, as JSON: everything about it but its code. Numbers that depend on extents are text.
// Refuses to hold bytes that are no UTF-8: a path may have any.
#include <algorithm>
#include <cstdio>

#include "tenon/frontend/ship/interface.h"
#include "tenon/runtime/targets.h"

namespace tenon::aot {
namespace {

// The length of the UTF-8 character at `at`, 0 where none begins there.
size_t character(const std::string& text, size_t at) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned first = byte(at);
  const size_t length = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : 4;
  if (length == 4 && (first < 0xf0 || first > 0xf4)) return 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(at + i) & 0xc0) != 0x80) return 0;
  const unsigned second = byte(at + 1);
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) || (first == 0xf0 && second < 0x90) ||
      (first == 0xf4 && second > 0x8f))
    return 0;
  return length;
}

std::string text(const std::string& value) {
  std::string out = "\"";
  for (size_t at = 0; at < value.size();) {
    const size_t length = character(value, at);
    const auto c = static_cast<unsigned char>(value[at]);
    char escaped[8];
    if (length == 0) {
      out += "\\ufffd";
    } else if (c < ' ') {
      std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
      out += escaped;
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out.append(value, at, length);
    }
    at += std::max<size_t>(1, length);
  }
  return out + '"';
}

std::string number(int64_t n) { return std::to_string(n); }

template <class List, class F>
std::string list(const List& items, F&& item) {
  std::string out = "[";
  for (const auto& i : items) out += (out.size() > 1 ? ", " : "") + item(i);
  return out + "]";
}
template <class List, class F>
std::string lines(const List& items, F&& item) {
  std::string out = "[";
  for (const auto& i : items) out += (out.size() > 1 ? ",\n    " : "\n    ") + item(i);
  return out + (out.size() > 1 ? "\n  ]" : "]");
}

struct Writer {
  const Interface& p;

  std::string amount(Dim d) const {
    return d.is_number() ? number(d.number()) : text(to_string(d, p.manifest.symbols));
  }
  std::string type(const ir::Type& t) const {
    return "\"dtype\": " + text(std::string(name(t.dtype))) +
           ", \"shape\": " + list(t.shape, [&](Dim d) { return amount(d); });
  }
  std::string leaf(const Leaf& l) const {
    return "{\"path\": " + text(l.path) + ", \"name\": " + text(l.name) + ", " + type(l.type) + "}";
  }
  std::string kernel(size_t k) const {
    const runtime::KernelRecord& r = p.manifest.kernels[k];
    return "{\"name\": " + text(r.name) + ", \"kind\": " + text(r.kind) + ", \"bytes_read\": " + amount(r.bytes_read) +
           ", \"bytes_written\": " + amount(r.bytes_written) + ", \"flops\": " + amount(r.flops) +
           ", \"lines\": " + list(p.kernel_lines[k], text) + "}";
  }
};

}  // namespace

std::string manifest_json(const Interface& p) {
  const runtime::Manifest& m = p.manifest;
  const Writer w{p};
  std::vector<size_t> numbers;
  for (size_t k = 0; k < m.kernels.size(); ++k) numbers.push_back(k);
  size_t check = 0;
  std::string j = "{\n  \"format\": 1,\n  \"program\": " + text(m.entry) +
                  ",\n  \"numerics\": " + number(runtime::numerics_version) +
                  ",\n  \"target\": {\"name\": " + text(p.target) + ", \"triple\": " + text(p.triple) +
                  ", \"processor\": " + text(p.processor) +
                  ", \"needs\": " + text(runtime::feature_expression(m.needs)) + "},\n";
  j += "  \"inputs\": " + lines(p.inputs, [&](const Leaf& l) { return w.leaf(l); }) + ",\n";
  j += "  \"outputs\": " + lines(p.outputs, [&](const Leaf& l) { return w.leaf(l); }) + ",\n";
  j += "  \"shared\": " +
       list(m.aliases,
            [&](const auto& pair) {
              return "{\"input\": " + number(pair.first) + ", \"output\": " + number(pair.second) + "}";
            }) +
       ",\n";
  j += "  \"extents\": " +
       lines(p.extents,
             [&](const Extent& e) {
               return "{\"name\": " + text(e.name) + ", \"parameter\": " + text(e.parameter) +
                      ", \"lower\": " + number(e.lower) + ", \"upper\": " + number(e.upper) + "}";
             }) +
       ",\n";
  j += "  \"arena_bytes\": " + (m.is_static ? number(m.arena_bytes) : "null") + ",\n";
  j += "  \"kernels\": " + lines(numbers, [&](size_t k) { return w.kernel(k); }) + ",\n";
  j += "  \"not_fused\": " + lines(p.not_fused, text) + ",\n";
  j += "  \"constants\": " +
       lines(p.constants,
             [&](const Constant& c) {
               return "{\"digest\": " + text(c.digest) + ", " + w.type(c.type) + ", \"offset\": " + number(c.offset) +
                      ", \"bytes\": " + number(c.bytes) + "}";
             }) +
       ",\n";
  std::vector<std::string> custom_calls;
  for (const runtime::CheckRecord& c : m.checks)
    if (!c.custom_call.empty()) custom_calls.push_back(c.custom_call);
  j += "  \"custom_calls\": " + list(custom_calls, text) + ",\n";
  j += "  \"checks\": " +
       lines(p.checks,
             [&](const std::string& c) {
               return "{\"number\": " + number(static_cast<int64_t>(++check)) + ", \"text\": " + text(c) + "}";
             }) +
       "\n}\n";
  return j;
}

}  // namespace tenon::aot
