// The two kinds of failure: Error is the caller's mistake, InternalError is ours.
// Refuses to format IR; whoever throws an InternalError puts the IR around the failure into its text.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <utility>

namespace tenon {

// A place in C++ source. File and function point to storage that lives as long as the program; the file that an Error names, at
// least as long as the Error.
struct Location {
  const char* file = "";
  const char* function = "";
  uint32_t line = 0;
  uint32_t column = 0;
  bool known() const { return line != 0; }
  bool operator==(const Location&) const = default;
};

std::string to_string(const Location& where);  // file:line:column

// The caller's mistake: names the op, the operand types, the place, and a remedy.
class Error : public std::exception {
 public:
  // The file of a place that outlives no graph, such as a check's, comes along.
  explicit Error(std::string message, Location where = {}, std::shared_ptr<const std::string> file = nullptr);
  const char* what() const noexcept override { return text_.c_str(); }
  const std::string& message() const { return message_; }  // without the place
  const Location& where() const { return where_; }

 private:
  std::string message_, text_;
  Location where_;
  std::shared_ptr<const std::string> file_;
};

// Tenon's own mistake: an invariant that does not hold. Please report it with the text it carries.
class InternalError : public std::exception {
 public:
  explicit InternalError(std::string message) : text_("internal error: " + std::move(message)) {}
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

// Throws InternalError unless the condition holds.
inline void ensure(bool condition, const char* message) {
  if (!condition) throw InternalError(message);
}

}  // namespace tenon
