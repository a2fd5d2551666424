// The cross compiler and the emulator by their Debian paths; ./dev installs both.
#include "tenon/tests/aarch64.h"

#include <filesystem>
#include <fstream>

namespace tenon::testing {

namespace {

const char* const compiler = "/usr/bin/aarch64-linux-gnu-gcc";
const char* const machine = "/usr/bin/qemu-aarch64";

}  // namespace

std::string missing_for_aarch64() {
  for (const char* needed : {compiler, machine, "/usr/aarch64-linux-gnu/include/stdio.h"})
    if (!std::filesystem::exists(needed))
      return std::string(needed) +
             " is missing: install qemu-user, gcc-aarch64-linux-gnu and libc6-dev-arm64-cross (./dev test does)";
  return {};
}

Ran run_on_aarch64(const std::string& folder, const std::string& driver, const std::vector<std::string>& objects) {
  std::ofstream(folder + "/driver.c") << driver;
  std::ofstream list(folder + "/objects");  // a command line has its limits
  for (const std::string& object : objects) list << folder << "/" << object << "\n";
  list.close();
  std::vector<std::string> words = {compiler,
                                    "-std=gnu11",
                                    "-O1",
                                    "-Wall",
                                    "-Werror",
                                    "-static",
                                    "-I",
                                    folder,
                                    "-I",
                                    TENON_BINARY_DIR "/include",
                                    folder + "/driver.c",
                                    "@" + folder + "/objects"};
  for (const char* room : {TENON_SOURCE_DIR "/runtime/c", TENON_SOURCE_DIR "/ir/base"})  // all that is C ships
    for (const auto& file : std::filesystem::directory_iterator(room))
      if (file.path().extension() == ".c") words.push_back(file.path().string());
  for (const char* word : {"-lm", "-lpthread", "-o"}) words.emplace_back(word);
  words.push_back(folder + "/driver");
  if (Ran built = run_command(words); built.status != 0) return built;
  return run_command({machine, folder + "/driver", folder});
}

}  // namespace tenon::testing
