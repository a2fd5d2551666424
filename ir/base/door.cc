// What becomes of exceptions at the door. Refuses to let a second failure hide the first: where there is no memory for the text
// of an error, a text that needs none is thrown.
#include "tenon/ir/base/door.h"

#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

namespace tenon {
namespace {

[[noreturn]] void refuse(const char* name, const std::string& what, const Location& at, const char* quote) {
  throw Error(quote + std::string(name) + quote + ": " + what, at);
}

// Short enough to lie inside the string, and without a place: nothing is allocated. The outer door may add one.
[[noreturn]] void refuse_without_memory() { throw Error("out of memory"); }

}  // namespace

void refuse_memory(const char* name, uint64_t bytes, const Location& at) {
  try {
    refuse(name, "out of memory: " + std::to_string(bytes) + " bytes could not be allocated", at, "");
  } catch (const std::bad_alloc&) {
    refuse_without_memory();
  }
}

void leave_with_error(const char* name, const Location& at, const char* quote) {
  try {
    try {
      throw;
    } catch (const Error& e) {
      if (e.where().known() || !at.known()) throw;
      refuse(name, e.message(), at, quote);
    } catch (const std::bad_alloc&) {
      refuse(name, "out of memory", at, quote);
    } catch (const std::length_error& e) {
      refuse(name, std::string("more than memory can hold (") + e.what() + ")", at, quote);
    } catch (const std::system_error& e) {
      refuse(name, std::string("the system refuses: ") + e.what(), at, quote);
    }
  } catch (const std::bad_alloc&) {
    refuse_without_memory();
  }
}

}  // namespace tenon
