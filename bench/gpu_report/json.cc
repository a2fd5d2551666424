// Writing and reading JSON: what the report needs of it, and all of what it writes.
#include "tenon/bench/gpu_report/json.h"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace tenon::gpu_report {
namespace {

void write_text(std::string& out, const std::string& text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += escape;
    } else {
      out += c;
    }
  }
  out += '"';
}

void write_number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  char digits[40];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  out.append(digits, error == std::errc() ? end : digits);
}

void write(std::string& out, const Json& j) {
  bool first = true;
  const auto comma = [&] {
    if (!first) out += ", ";
    first = false;
  };
  switch (j.kind) {
    case Json::Kind::null: out += "null"; break;
    case Json::Kind::truth: out += j.number != 0 ? "true" : "false"; break;
    case Json::Kind::number: write_number(out, j.number); break;
    case Json::Kind::text: write_text(out, j.text); break;
    case Json::Kind::list:
      out += '[';
      for (const Json& item : j.items) comma(), write(out, item);
      out += ']';
      break;
    case Json::Kind::object:
      out += '{';
      for (const auto& [name, value] : j.fields) {
        comma();
        write_text(out, name);
        out += ": ";
        write(out, value);
      }
      out += '}';
  }
}

class Reader {
 public:
  explicit Reader(const std::string& text) : text_(text) {}

  bool all(Json& out) {
    if (!value(out, 0)) return false;
    skip();
    return at_ == text_.size();
  }

 private:
  void skip() {
    while (at_ < text_.size() && std::string(" \t\r\n").find(text_[at_]) != std::string::npos) ++at_;
  }
  bool take(const std::string& word) {
    skip();
    if (text_.compare(at_, word.size(), word) != 0) return false;
    at_ += word.size();
    return true;
  }

  bool string(std::string& out) {
    if (!take("\"")) return false;
    while (at_ < text_.size() && text_[at_] != '"') {
      char c = text_[at_++];
      if (c != '\\') {
        out += c;
        continue;
      }
      if (at_ >= text_.size()) return false;
      c = text_[at_++];
      if (c == 'u') {  // what is beyond ASCII becomes a question mark: names and reasons are read, not compared
        unsigned code = 0;
        if (at_ + 4 > text_.size()) return false;
        std::from_chars(text_.data() + at_, text_.data() + at_ + 4, code, 16);
        out += code < 0x80 ? static_cast<char>(code) : '?';
        at_ += 4;
      } else {
        out += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
      }
    }
    return take("\"");
  }

  bool list(Json& out, int depth) {
    out.kind = Json::Kind::list;
    if (take("]")) return true;
    do {
      if (!value(out.items.emplace_back(), depth)) return false;
    } while (take(","));
    return take("]");
  }

  bool object(Json& out, int depth) {
    out.kind = Json::Kind::object;
    if (take("}")) return true;
    do {
      auto& [name, field] = out.fields.emplace_back(std::string(), Json());
      skip();
      if (!string(name) || !take(":") || !value(field, depth)) return false;
    } while (take(","));
    return take("}");
  }

  bool value(Json& out, int depth) {
    if (depth > 50) return false;
    skip();
    if (take("null")) return true;
    if (take("true")) return out = Json(true), true;
    if (take("false")) return out = Json(false), true;
    if (take("[")) return list(out, depth + 1);
    if (take("{")) return object(out, depth + 1);
    if (at_ < text_.size() && text_[at_] == '"') return out.kind = Json::Kind::text, string(out.text);
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), out.number);
    if (error != std::errc()) return false;
    out.kind = Json::Kind::number;
    at_ = static_cast<size_t>(end - text_.data());
    return true;
  }

  const std::string& text_;
  size_t at_ = 0;
};

}  // namespace

Json Json::make_list(std::vector<Json> items) {
  Json j;
  j.kind = Kind::list;
  j.items = std::move(items);
  return j;
}
Json Json::make_object(std::vector<std::pair<std::string, Json>> fields) {
  Json j;
  j.kind = Kind::object;
  j.fields = std::move(fields);
  return j;
}

const Json& Json::at(const std::string& name) const {
  static const Json nothing;
  for (const auto& [field, value] : fields)
    if (field == name) return value;
  return nothing;
}

void Json::set(const std::string& name, Json value) {
  kind = Kind::object;
  for (auto& [field, old] : fields)
    if (field == name) {
      old = std::move(value);
      return;
    }
  fields.emplace_back(name, std::move(value));
}

std::string Json::dump() const {
  std::string out;
  write(out, *this);
  return out;
}

std::optional<Json> parse_json(const std::string& text) {
  Json j;
  if (!Reader(text).all(j)) return {};
  return j;
}

}  // namespace tenon::gpu_report
