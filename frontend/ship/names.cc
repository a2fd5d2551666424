// Words that other people's code has for itself, by list and by pattern. Refuses to transliterate: a path of foreign letters gives
// a numbered name, and the comment beside it the path.
#include "tenon/frontend/ship/names.h"

#include <algorithm>

#include "tenon/runtime/compile.h"

namespace tenon::aot {
namespace {

// A space around each word. Keywords of C11, C23 and C++20; macros and types of the headers that go with any program.
constexpr std::string_view keywords =
    " alignas alignof and and_eq asm atomic_cancel auto bitand bitor bool break case catch char char8_t char16_t "
    "char32_t "
    "class co_await co_return co_yield compl concept const const_cast consteval constexpr constinit continue decltype "
    "default delete do double dynamic_cast else enum explicit export extern false final float for friend goto if "
    "import "
    "inline int long main module mutable namespace new noexcept not not_eq nullptr operator or or_eq override private "
    "protected public register reinterpret_cast requires restrict return short signed sizeof static static_assert "
    "static_cast std struct switch template tenon this thread_local throw true try typedef typeid typename typeof "
    "typeof_unqual union unsigned using virtual void volatile wchar_t while xor xor_eq ";
constexpr std::string_view macros =
    " NULL EOF BUFSIZ HUGE_VAL HUGE_VALF INFINITY NAN I RAND_MAX EXIT_SUCCESS EXIT_FAILURE CHAR_BIT FILE assert "
    "complex errno "
    "imaginary offsetof stderr stdin stdout linux unix i386 minor major makedev ";

bool in(std::string_view list, std::string_view word) {
  return list.find(' ' + std::string(word) + ' ') != std::string_view::npos;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// int32_t, size_t, INT_MAX, UINT64_C and their kin.
bool is_standard_type(std::string_view word) {
  if (word.ends_with("_t")) return true;
  return (word.starts_with("INT") || word.starts_with("UINT") || word.starts_with("SIZE_") || word.ends_with("_MAX") ||
          word.ends_with("_MIN")) &&
         std::none_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

}  // namespace

bool is_reserved(std::string_view word) {
  return in(keywords, word) || in(macros, word) || is_standard_type(word) || word.starts_with("__") ||
         word.starts_with("TENON_") || word.starts_with("tenon_") ||
         (word.size() > 1 && word[0] == '_' && word[1] >= 'A' && word[1] <= 'Z');
}

std::string name_fault(const std::string& name) {
  if (name.empty() || name.size() > 200 || is_digit(name[0]) ||
      !std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || is_digit(c); }))
    return "is no C identifier of 1 to 200 characters";
  if (is_reserved(name)) return "is a word of C, of C++ or of Tenon's runtime";
  if (runtime::is_c_library_name(name)) return "is a function of the C library";
  return {};
}

std::string identifier_of(std::string_view path) {
  std::string name;
  bool apart = false;
  for (char c : path) {
    if (!is_letter(c) && !is_digit(c)) {
      apart = true;
      continue;
    }
    if (apart && !name.empty() && name.back() != '_') name += '_';
    apart = false;
    name += c;
  }
  if (name.size() > 120) name.resize(120);
  if (name.empty()) return "item";
  if (is_digit(name[0])) name = "item" + name;
  return name[0] == '_' ? "item" + name : name;
}

std::string Scope::unique(std::string wanted) {
  if (is_reserved(wanted)) wanted = is_reserved(wanted + "_") ? "item_" + wanted : wanted + "_";
  if (is_reserved(wanted)) wanted = "item";
  std::string name = wanted;
  for (int number = 2; !taken_.insert(name).second; ++number) name = wanted + "_" + std::to_string(number);
  return name;
}

}  // namespace tenon::aot
