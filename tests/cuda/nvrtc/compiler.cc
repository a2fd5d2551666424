// The command, the folder of compiled objects and their key, which holds all that matters: the headers' text, the module's, the
// command. SIMULATED_CUDA_CXX names another compiler, SIMULATED_CUDA_CACHE another folder, SIMULATED_CUDA_OPTIMIZE another level:
// -O0 takes a third of the time where kernels run once, and ten times as long where they train. Objects appear by a rename; whatever
// is wrong with the folder costs a compilation and is no error. Refuses to run a shell.
#include "tenon/tests/cuda/nvrtc/compiler.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tenon/tests/cuda/nvrtc/kernels.h"
#include "tenon/tests/cuda/shim/services.h"

extern char** environ;

namespace simulated {
namespace {

namespace fs = std::filesystem;

std::string setting(const char* name, const char* otherwise) {
  const char* said = std::getenv(name);
  return said && *said ? said : otherwise;
}

std::string read(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

const std::string& headers() {
  static const std::string* const text = [] {
    auto* all = new std::string;
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(SIMULATED_SHIM)) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const fs::path& f : files) *all += read(f);
    return all;
  }();
  return *text;
}

std::vector<std::string> command() {
  std::vector<std::string> words = {setting("SIMULATED_CUDA_CXX", SIMULATED_COMPILER),
                                    "-std=c++20",
                                    setting("SIMULATED_CUDA_OPTIMIZE", "-O3"),
                                    "-w",
                                    "-fPIC",
                                    "-shared",
                                    "-ffp-contract=off",
                                    "-fno-math-errno",
                                    "-fno-exceptions",
                                    "-fno-rtti",
                                    "-fno-strict-aliasing",  // CUDA's texts read floats as words of 16 bytes
                                    "-fno-asynchronous-unwind-tables",
                                    "-fvisibility=hidden"};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("fma") && __builtin_cpu_supports("avx2")) words.insert(words.end(), {"-mfma", "-mavx2"});
#endif
  const std::string sanitizers = SIMULATED_SANITIZE;
  if (sanitizers.find("address") != std::string::npos)
    words.insert(words.end(), {"-fsanitize=" + sanitizers, "-fno-sanitize-recover=all", "-fno-omit-frame-pointer",
                               "-g1", "-nostartfiles"});
  else  // traps, of which the driver makes launch failures; and no library but what the process has, for linking takes longer
    words.insert(words.end(), {"-fsanitize=bounds,alignment,signed-integer-overflow,integer-divide-by-zero",
                               "-fsanitize-undefined-trap-on-error", "-nostdlib"});
  return words;
}

// The exit status; what the compiler said goes to `said`.
int run(std::vector<std::string> words, std::string& said) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return 126;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  std::vector<char*> arguments;
  for (std::string& w : words) arguments.push_back(w.data());
  arguments.push_back(nullptr);
  // What is preloaded into the test is not for the compiler.
  std::vector<char*> environment;
  for (char** e = environ; *e; ++e)
    if (std::strncmp(*e, "LD_", 3) != 0) environment.push_back(*e);
  environment.push_back(nullptr);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  char part[4096];
  for (ssize_t n; !failed && (n = ::read(ends[0], part, sizeof part)) != 0;)
    if (n > 0)
      said.append(part, static_cast<size_t>(n));
    else if (errno != EINTR)
      break;
  close(ends[0]);
  if (failed) {
    said = "there is no compiler " + words[0] + ": " + std::strerror(failed);
    return 127;
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

fs::path folder() {
  const fs::path f = setting("SIMULATED_CUDA_CACHE", SIMULATED_CACHE);
  std::error_code ignored;
  fs::create_directories(f, ignored);
  return f;
}

std::string hexadecimal(unsigned long long a, unsigned long long b) {
  char text[40];
  std::snprintf(text, sizeof text, "%016llx%016llx", a, b);
  return text;
}

void finish(Compiled& compiled, const std::string& object, const std::string& architecture) {
  Trailer trailer = {};
  std::strcpy(trailer.magic, "simulated cubin");
  std::strncpy(trailer.architecture, architecture.c_str(), sizeof trailer.architecture - 1);
  trailer.bytes = object.size();
  trailer.digest = digest_of(object.data(), object.size());
  compiled.image.assign(object.begin(), object.end());
  compiled.image.resize(object.size() + sizeof trailer);
  std::memcpy(compiled.image.data() + object.size(), &trailer, sizeof trailer);
  compiled.ok = true;
}

}  // namespace

Compiled compile(const std::string& text, const std::string& name, const std::string& architecture) {
  Compiled compiled;
  std::vector<std::string> words = command();
  // Only a text that asks for the architecture depends on it.
  if (text.find("__CUDA_ARCH_") != std::string::npos) {
    const bool variant = architecture.back() == 'a';
    const std::string number = variant ? architecture.substr(0, architecture.size() - 1) : architecture;
    words.push_back("-D__CUDA_ARCH__=" + number + "0");
    if (variant) words.push_back("-D__CUDA_ARCH_FEAT_SM" + number + "_ALL");
  }
  std::string all = headers() + '\0' + name + '\0' + text;
  for (const std::string& w : words) all += '\0' + w;
  const std::string key = hexadecimal(digest_of(all.data(), all.size()), digest_of(all.data(), all.size() / 2));
  const fs::path kept = folder() / (key + ".so");
  if (std::string object = read(kept); !object.empty()) {
    finish(compiled, object, architecture);
    return compiled;
  }
  static std::atomic<unsigned> next = 0;
  const std::string mine = kept.string() + "." + std::to_string(getpid()) + "." + std::to_string(next++);
  const std::string source = mine + ".cc";
  std::ofstream(source) << "#include \"" SIMULATED_SHIM "/shim.h\"\n#line 1 \"" << name << "\"\n"
                        << with_registrations(text) << "\n";
  words.insert(words.end(), {source, "-o", mine, "-lgcc"});
  const int status = run(words, compiled.log);
  std::error_code ignored;
  fs::remove(source, ignored);
  if (status == 0) {
    const std::string object = read(mine);
    fs::rename(mine, kept, ignored);
    if (!object.empty()) finish(compiled, object, architecture);
  }
  fs::remove(mine, ignored);
  return compiled;
}

}  // namespace simulated
