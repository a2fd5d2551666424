// Files that mean harm, and how a reader must take them: with one tenon::Error of one line that names the file, within 2 seconds and
// 1 GiB. Readers run in a child, whose address space is bound and which may die.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tenon::testing {

struct HostileFile {
  std::string kind;  // what is wrong with it, for messages
  std::string bytes;
};
using FileReader = std::function<void(const std::string& path)>;

enum class Expect : uint8_t {
  refused,  // every file
  either,  // what is damaged at random may be right still; it is read or refused
};
// Reads each file, which is called `name` and lies in a folder of its own. What was wrong, one line a file; empty when nothing was.
std::string faults_of(const std::string& name, const std::vector<HostileFile>& files, const FileReader& read,
                      Expect expect = Expect::refused);

// A good file cut off before each of its bytes: before every one of the first `each`, then before some.
std::vector<HostileFile> truncations(const std::string& good, size_t each = 4096);
// A good file with some bytes changed, inserted or left out at random, between `from` and `to`; 0: the end.
std::vector<HostileFile> damages(const std::string& good, size_t count, size_t from = 0, size_t to = 0);
// The file with other bytes at a place.
std::string with(std::string good, size_t at, const std::string& bytes);
// A number, little-endian.
std::string little(uint64_t value, size_t bytes);
// Every 4-byte (8-byte) word of a file that lies in a range, set in turn to numbers that overflow sums and products: 2^63, 2^64 - 1 ...
std::vector<HostileFile> extreme_words(const std::string& good, size_t from, size_t to, size_t bytes);

}  // namespace tenon::testing
