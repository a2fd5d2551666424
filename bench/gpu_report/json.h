// JSON as the report keeps its figures: written on one line, read back when a report goes on. Refuses what is no JSON by giving
// nothing; numbers are doubles.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tenon::gpu_report {

struct Json {
  enum class Kind : uint8_t { null, truth, number, text, list, object };

  Json() = default;
  Json(bool value) : kind(Kind::truth), number(value ? 1 : 0) {}  // NOLINT
  Json(double value) : kind(Kind::number), number(value) {}  // NOLINT
  Json(int value) : Json(static_cast<double>(value)) {}  // NOLINT
  Json(int64_t value) : Json(static_cast<double>(value)) {}  // NOLINT
  Json(uint64_t value) : Json(static_cast<double>(value)) {}  // NOLINT
  Json(std::string value) : kind(Kind::text), text(std::move(value)) {}  // NOLINT
  Json(const char* value) : Json(std::string(value)) {}  // NOLINT

  static Json make_list(std::vector<Json> items = {});
  static Json make_object(std::vector<std::pair<std::string, Json>> fields = {});

  bool is_null() const { return kind == Kind::null; }
  const Json& at(const std::string& name) const;  // null where there is no such field
  void set(const std::string& name, Json value);
  std::string dump() const;

  Kind kind = Kind::null;
  double number = 0;
  std::string text;
  std::vector<Json> items;
  std::vector<std::pair<std::string, Json>> fields;
};

std::optional<Json> parse_json(const std::string& text);

}  // namespace tenon::gpu_report
