// Places as text become places again.
#include "tenon/ir/base/failed_check.h"

#include <charconv>
#include <string_view>

#include "tenon/ir/base/error.h"

namespace tenon {
namespace {

// Takes ":number" off the end; false where there is none.
bool take_number(std::string_view& text, uint32_t& number) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) return false;
  const char *begin = text.data() + colon + 1, *end = text.data() + text.size();
  if (std::from_chars(begin, end, number).ptr != end) return false;
  text = text.substr(0, colon);
  return true;
}

}  // namespace

void fail_check(const std::string& message, const std::string& place) {
  Location where;
  std::string_view file = place;
  if (!take_number(file, where.column) || !take_number(file, where.line)) throw Error(message);
  throw Error(message, where, std::make_shared<const std::string>(file));
}

}  // namespace tenon
