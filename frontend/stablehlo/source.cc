// Places in a text, and the cursor over it. No function here calls itself; brackets are counted on a bounded stack.
#include "tenon/frontend/stablehlo/source.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace tenon::hlo {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$'; }
bool in_word(char c) { return is_letter(c) || is_digit(c) || c == '.'; }
bool in_name(char c) { return in_word(c) || c == '-'; }

std::string shown(std::string_view text) {
  std::string out;
  for (char c : text.substr(0, 24)) out += c >= ' ' && c <= '~' ? c : '?';
  return text.empty() ? "the end of the text" : "'" + out + "'";
}

}  // namespace

Source::Source(std::string file, std::string content) : name(std::move(file)), text(std::move(content)), lines{0} {
  if (text.size() > most_text)
    throw TextError(name + ": a text of " + std::to_string(text.size()) + " bytes is longer than " +
                    std::to_string(most_text));
  for (size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1)) lines.push_back(at + 1);
}

std::string Source::place(size_t at) const {
  const auto line = std::upper_bound(lines.begin(), lines.end(), at) - lines.begin();
  return name + ":" + std::to_string(line) + ":" + std::to_string(at - lines[static_cast<size_t>(line - 1)] + 1);
}

void Source::fail(size_t at, const std::string& message) const { throw TextError(place(at) + ": " + message); }

void Scanner::skip() {
  const std::string& t = source_.text;
  while (at_ < end_) {
    const char c = t[at_];
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
      ++at_;
    } else if (c == '/' && at_ + 1 < end_ && t[at_ + 1] == '/') {
      const size_t line_end = t.find('\n', at_);
      at_ = std::min(end_, line_end == std::string::npos ? end_ : line_end);
    } else {
      return;
    }
  }
}

size_t Scanner::at() {
  skip();
  return at_;
}

char Scanner::peek() {
  skip();
  return at_ < end_ ? source_.text[at_] : '\0';
}

bool Scanner::looking_at(std::string_view sign) {
  skip();
  const std::string_view rest = std::string_view(source_.text).substr(at_, end_ - at_);
  if (!rest.starts_with(sign)) return false;
  return !in_word(sign.back()) || rest.size() == sign.size() || !in_word(rest[sign.size()]);
}

bool Scanner::accept(std::string_view sign) {
  if (!looking_at(sign)) return false;
  at_ += sign.size();
  return true;
}

void Scanner::expect(std::string_view sign) {
  if (accept(sign)) return;
  fail("expected '" + std::string(sign) + "', not " +
       shown(std::string_view(source_.text).substr(at_, std::min<size_t>(24, end_ - at_))));
}

std::string_view Scanner::word(const char* what) {
  skip();
  size_t stop = at_;
  while (stop < end_ && in_word(source_.text[stop])) ++stop;
  if (stop == at_ || !is_letter(source_.text[at_]))
    fail(std::string("expected ") + what + ", not " +
         shown(std::string_view(source_.text).substr(at_, std::min<size_t>(24, end_ - at_))));
  const auto found = std::string_view(source_.text).substr(at_, stop - at_);
  at_ = stop;
  return found;
}

std::string_view Scanner::value_name() {
  expect("%");
  size_t stop = at_;
  while (stop < end_ && in_name(source_.text[stop])) ++stop;
  if (stop == at_) fail("expected the name of a value behind '%'");
  const auto found = std::string_view(source_.text).substr(at_, stop - at_);
  at_ = stop;
  return found;
}

std::string_view Scanner::symbol_name() {
  expect("@");
  if (peek() == '"') return quoted();
  size_t stop = at_;
  while (stop < end_ && in_name(source_.text[stop])) ++stop;
  if (stop == at_) fail("expected the name of a function behind '@'");
  const auto found = std::string_view(source_.text).substr(at_, stop - at_);
  at_ = stop;
  return found;
}

std::string_view Scanner::quoted() {
  expect("\"");
  const std::string& t = source_.text;
  const size_t start = at_;
  while (at_ < end_ && t[at_] != '"') at_ += t[at_] == '\\' ? 2 : 1;
  if (at_ >= end_) source_.fail(start, "this string does not end");
  return std::string_view(t).substr(start, at_++ - start);
}

std::string_view Scanner::number_text() {
  skip();
  const std::string& t = source_.text;
  size_t stop = at_;
  if (stop < end_ && (t[stop] == '-' || t[stop] == '+')) ++stop;
  const size_t digits = stop;
  while (stop < end_ && (is_digit(t[stop]) || is_letter(t[stop]) || t[stop] == '.' ||
                         ((t[stop] == '-' || t[stop] == '+') && (t[stop - 1] == 'e' || t[stop - 1] == 'E'))))
    ++stop;
  if (stop == digits || !is_digit(t[digits])) fail("expected a number");
  const auto found = std::string_view(t).substr(at_, stop - at_);
  at_ = stop;
  return found;
}

int64_t Scanner::integer(const char* what) {
  skip();
  const std::string& t = source_.text;
  int64_t value = 0;
  const auto [stop, error] = std::from_chars(t.data() + at_, t.data() + end_, value);
  if (error == std::errc::result_out_of_range) fail(std::string("the ") + what + " does not fit into 64 bits");
  if (error != std::errc()) fail(std::string("expected the ") + what + ", an integer");
  at_ = static_cast<size_t>(stop - t.data());
  return value;
}

std::string_view Scanner::balanced(char open) {
  const std::string_view opening = "({[<", closing = ")}]>";
  expect(std::string_view(&open, 1));
  const std::string& t = source_.text;
  const size_t start = at_;
  std::vector<char> closers = {closing[opening.find(open)]};
  while (at_ < end_) {
    const char c = t[at_];
    if (c == '"') {
      quoted();
      continue;
    }
    if (c == '/' && at_ + 1 < end_ && t[at_ + 1] == '/') {
      skip();
      continue;
    }
    ++at_;
    if (c == '-' && at_ < end_ && t[at_] == '>') {
      ++at_;
    } else if (const size_t kind = opening.find(c); kind != std::string_view::npos) {
      if (closers.size() >= 4096) source_.fail(at_, "brackets nest too deep");
      closers.push_back(closing[kind]);
    } else if (closing.find(c) != std::string_view::npos) {
      if (closers.back() != c) source_.fail(at_ - 1, std::string("'") + c + "' closes nothing here");
      closers.pop_back();
      if (closers.empty()) return std::string_view(t).substr(start, at_ - 1 - start);
    }
  }
  source_.fail(start - 1, std::string("this '") + open + "' is never closed");
}

}  // namespace tenon::hlo
