// One child reads all files, one after the other; where it dies, the file at hand is to blame, and another child goes on behind it.
#include "tenon/tests/hostile_files.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <new>
#include <random>

#include "tenon/ir/base/error.h"
#include "tenon/tests/child.h"
#include "tenon/tests/files.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif
constexpr double most_seconds = sanitized ? 20 : 2;
constexpr uint64_t most_memory = uint64_t{1} << 30;

uint64_t address_space() {
  unsigned long pages = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  const bool read = std::fscanf(file, "%lu", &pages) == 1;
  std::fclose(file);
  return read ? static_cast<uint64_t>(pages) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

void bind_memory() {  // a sanitizer maps more than there is
  if (sanitized) return;
  rlimit limit{};
  getrlimit(RLIMIT_AS, &limit);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, address_space() + most_memory);
  setrlimit(RLIMIT_AS, &limit);
}

std::string fault_in(const std::string& message, const std::string& path) {
  if (message.find(path) == std::string::npos) return "the Error does not name the file: " + message;
  if (message.find('\n') != std::string::npos) return "the Error has several lines: " + message;
  if (message.find('\0') != std::string::npos) return "the Error ends where it should not: " + message;
  if (message.size() > 2000) return "the Error is long: " + message.substr(0, 200);
  if (message.find("out of memory") != std::string::npos) return "it takes more than 1 GiB: " + message;
  return "";
}

std::string fault_of(const std::string& path, const FileReader& read, Expect expect) {
  const auto start = std::chrono::steady_clock::now();
  std::string fault;
  try {
    read(path);
    if (expect == Expect::refused) fault = "it is read as if nothing were wrong";
  } catch (const Error& e) {
    fault = fault_in(e.message(), path);
  } catch (const std::exception& e) {
    fault = std::string("no tenon::Error: ") + e.what();
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (fault.empty() && seconds > most_seconds) fault = "it takes " + std::to_string(seconds) + " s";
  return fault;
}

}  // namespace

std::string faults_of(const std::string& name, const std::vector<HostileFile>& files, const FileReader& read,
                      Expect expect) {
  const std::string folder = temporary_folder("hostile"), path = folder + "/" + name;
  void* const shared =
      mmap(nullptr, sizeof(std::atomic<size_t>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) throw Error("no memory to share with a child");
  std::atomic<size_t>& at = *new (shared) std::atomic<size_t>(0);
  std::string faults;
  while (at < files.size()) {
    std::string said;
    const int status = in_child(
        [&] {
          bind_memory();
          for (; at < files.size(); ++at) {
            alarm(60);
            const HostileFile& file = files[at];
            write_file(path, file.bytes);
            const std::string fault = fault_of(path, read, expect);
            if (!fault.empty()) fprintf(stderr, "%s: %s\n", file.kind.c_str(), fault.c_str());
          }
          return 0;
        },
        &said);
    faults += said;
    if (status == 0) break;
    faults += files[at].kind + ": the reader dies with status " + std::to_string(status) + "\n";
    ++at;
  }
  munmap(shared, sizeof(std::atomic<size_t>));
  std::filesystem::remove_all(folder);
  return faults;
}

std::vector<HostileFile> truncations(const std::string& good, size_t each) {
  std::vector<HostileFile> files;
  for (size_t size = 0; size < good.size(); size += size < each ? 1 : std::max<size_t>(1, good.size() / 97))
    files.push_back({"cut off before byte " + std::to_string(size), good.substr(0, size)});
  return files;
}

std::vector<HostileFile> damages(const std::string& good, size_t count, size_t from, size_t to) {
  if (to == 0 || to > good.size()) to = good.size();
  std::mt19937 random(17);
  std::vector<HostileFile> files;
  for (size_t i = 0; i < count; ++i) {
    std::string bytes = good;
    for (unsigned changes = 1 + random() % 3; changes > 0; --changes) {
      const size_t place = std::min(bytes.size() - 1, from + random() % (to - from));
      switch (random() % 6) {
        case 0: bytes.insert(place, 1 + random() % 8, static_cast<char>(random())); break;
        case 1: bytes.erase(place, 1 + random() % 8); break;
        case 2: bytes[place] = static_cast<char>(bytes[place] ^ 1 << random() % 8); break;
        case 3: bytes[place] = "0123456789[]{}(),:\"' "[random() % 21]; break;
        case 4: bytes[place] = static_cast<char>(random() % 2 ? 0xff : 0); break;
        default: bytes[place] = static_cast<char>(random());
      }
      if (bytes.empty()) bytes = good;
    }
    files.push_back({"damaged, number " + std::to_string(i), std::move(bytes)});
  }
  return files;
}

std::string with(std::string good, size_t at, const std::string& bytes) {
  return good.replace(at, bytes.size(), bytes);
}

std::string little(uint64_t value, size_t bytes) {
  std::string text;
  for (size_t i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

std::vector<HostileFile> extreme_words(const std::string& good, size_t from, size_t to, size_t bytes) {
  const unsigned bits = static_cast<unsigned>(8 * bytes);
  const uint64_t all = bits == 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1, top = uint64_t{1} << (bits - 1);
  std::vector<HostileFile> files;
  for (size_t at = from; at + bytes <= std::min(to, good.size()); ++at)
    for (const uint64_t value : {top, all, all - 7, uint64_t{1} << (bits / 2)})
      files.push_back(
          {"the word at " + std::to_string(at) + " is " + std::to_string(value), with(good, at, little(value, bytes))});
  return files;
}

}  // namespace tenon::testing
