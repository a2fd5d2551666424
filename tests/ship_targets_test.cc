// Targets by name: what a saved object needs of the processor is checked before its first instruction runs, the processor is asked
// once, and every target gives the same bits.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <bit>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "tenon/runtime/device.h"
#include "tenon/runtime/targets.h"
#include "tenon/runtime/tenon_runtime.h"
#include "tenon/tests/files.h"
#include "tenon/tests/messages.h"
#include "tenon/tests/shipped.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

class ShippedTargets : public ::testing::Test {
 protected:
  ShippedTargets() : folder_(temporary_folder("targets")) {}
  ~ShippedTargets() override { std::filesystem::remove_all(folder_); }
  std::string read(const std::string& name) const { return read_file(folder_ + "/" + name); }
  void save(const std::string& name, const std::string& target) const {
    const auto f = jit([](const Tensor& x, const Tensor& y) {
      return softmax(matmul(tanh(x), y), 1) + sum(exp(x), {.axes = {0}}) + popcount(x.astype(i32)).astype(f32);
    });
    aot::save(f, {.name = name, .out = folder_, .target = target}, spec({33, 33}, f32), spec({33, 33}, f32));
  }
  const std::string folder_;
};

// Prints a digest of what the program gives for one input.
std::string source_of(const std::string& name, const std::string& before = "") {
  return "#include <stdio.h>\n#include \"" + name + ".h\"\n" + before + R"(
int main(void) {
  static float x[33 * 33], y[33 * 33], z[33 * 33];
  for (int k = 0; k < 33 * 33; k++) { x[k] = (float)(k % 17) - 8.5f; y[k] = (float)(k % 13) / 7; }
  int32_t code = )" +
         name + R"(_typed(x, y, z);
  unsigned hash = 1;
  for (size_t k = 0; k < sizeof z; k++) hash = hash * 16777619u + ((unsigned char*)z)[k];
  printf("%d %u\n", code, hash);
  return 0;
})";
}

TEST_F(ShippedTargets, AnUnknownNameListsTheKnownOnes) {
  for (const char* name : {"z80", "x86-64-v2", "Znver4", "aarch64", "\n", "native "}) {
    const std::string message = message_of([&] { save("f", name); });
    EXPECT_HAS(message, "there is no target '" + std::string(name) + "'; there are: native, x86-64-v3, x86-64-v4");
    EXPECT_HAS(message, "aarch64-linux-gnu");
    EXPECT_HAS(message, "ship_targets_test.cc");
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/f.o"));
  const auto f = jit([](const Tensor& x) { return x; });
  EXPECT_THROW(aot::save(f, {.name = "f", .out = folder_, .native = true, .target = "znver4"}, spec({2}, f32)), Error);
}

TEST_F(ShippedTargets, EveryTargetCompilesAndThoseOfThisMachineGiveOneResult) {
  std::string first;
  for (const std::string& name : runtime::target_names()) {
    save("f", name);
    const std::string elf = run_command({"readelf", "-h", folder_ + "/f.o"}).output;
    const bool arm = runtime::named_target(name).cpu().level == 0;
    EXPECT_HAS(elf, arm ? "AArch64" : "X86-64");
    EXPECT_HAS(read("f.json"),
               "\"target\": {\"name\": \"" + name + "\", \"triple\": \"" + (arm ? "aarch64" : "x86_64"));
    const uint64_t needs = runtime::needed_features(runtime::named_target(name));
    EXPECT_HAS(read("f.h"), "needs = " + runtime::feature_expression(needs) + ";");
    if ((needs & ~tenon_cpu_features()) != 0) continue;
    const Ran ran = run_shipped(folder_, {.text = source_of("f"), .objects = {"f.o"}});
    EXPECT_EQ(ran.output.substr(0, 2), "0 ") << name;
    if (first.empty()) first = ran.output;
    EXPECT_EQ(ran.output, first) << name;
  }
}

// The program brings a processor of its own.
TEST_F(ShippedTargets, AProcessorThatLacksInstructionsGetsACode) {
  save("wide", "x86-64-v4");
  save("widest", "znver4");
  const auto on = [&](const char* program, const std::string& features) {
    const std::string fake = "uint64_t tenon_cpu_features(void) { return " + features + "; }\n";
    return run_shipped(folder_, {.text = source_of(program, fake), .objects = {program + std::string(".o")}}).output;
  };
  const std::string refused = std::to_string(TENON_BAD_CPU) + " ";
  for (const char* program : {"wide", "widest"})
    for (const char* features :
         {"0", "TENON_CPU_X86_64_V2", "TENON_CPU_X86_64_V2 | TENON_CPU_X86_64_V3", "TENON_CPU_AARCH64"})
      EXPECT_EQ(on(program, features).substr(0, 3), refused) << program << " " << features;
  EXPECT_EQ(on("widest", "TENON_CPU_X86_64_V2 | TENON_CPU_X86_64_V3 | TENON_CPU_X86_64_V4").substr(0, 3), refused);
}

// A lesser processor that the environment names gets code of its own, and the same bits; what is none is named.
TEST_F(ShippedTargets, TheEnvironmentMayNameALesserProcessor) {
#if defined(__x86_64__)
  const auto child = [](const std::string& target) {
    return run_command({"env", "TENON_CACHE=0", "TENON_TARGET=" + target,
                        std::filesystem::read_symlink("/proc/self/exe").string(), "--gtest_also_run_disabled_tests",
                        "--gtest_filter=*DISABLED_OneProgram"})
        .output;
  };
  const auto line = [](const std::string& output, const std::string& word) {
    const size_t at = output.find(word);
    return at == std::string::npos ? output : output.substr(at, output.find('\n', at) - at);
  };
  const std::string own = child(""), lesser = child("haswell");
  EXPECT_EQ(line(own, "bits "), line(lesser, "bits "));
  EXPECT_HAS(line(own, "bits "), "bits ");
  EXPECT_HAS(line(lesser, "needs "), "needs TENON_CPU_X86_64_V3 of");
  EXPECT_HAS(child("znver9"), "TENON_TARGET: there is no target 'znver9'");
  EXPECT_HAS(child("neoverse-n1"), "TENON_TARGET is neoverse-n1, which this processor cannot run");
  EXPECT_HAS(child("sm_90"), "TENON_TARGET is sm_90");
#endif
}
TEST_F(ShippedTargets, DISABLED_OneProgram) {
  const runtime::Device& device = runtime::current_device();
  const Target target = device.target(device);
  std::cout << "needs " << runtime::feature_expression(runtime::needed_features(target)) << " of " << target.cpu().cpu
            << "\n";
  const auto f = jit([](const Tensor& x) { return softmax(matmul(tanh(x), x), 1); });
  const Tensor y = f(normal(key(1), {33, 33}));
  unsigned hash = 1;
  for (float v : y.to_vector<float>()) hash = hash * 16777619u + std::bit_cast<uint32_t>(v);
  std::cout << "bits " << hash << "\n";
}

// In a virtual machine each CPUID costs tens of microseconds: after the first call it may fault.
TEST_F(ShippedTargets, TheProcessorIsAskedOnce) {
#if defined(__x86_64__)
  save("asked", "x86-64-v3");
  const Ran ran = run_shipped(folder_, {.text = R"(#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "asked.h"
static float x[33 * 33], y[33 * 33], z[33 * 33];
static void* call(void* unused) {
  int32_t* code = unused;
  *code = asked_typed(x, y, z);
  return NULL;
}
int main(void) {
  int32_t code = 1;
  call(&code);
  if (code != 0) return 1;
  if (syscall(SYS_arch_prctl, 0x1012 /* ARCH_SET_CPUID */, 0L) != 0) return 77;
  call(&code);
  pid_t child = fork();
  if (child == 0) { call(&code); _exit(code); }
  int status = 1;
  waitpid(child, &status, 0);
  return code == 0 && status == 0 ? 0 : 2;
})",
                                        .objects = {"asked.o"},
                                        .compiler = {"cc", "-std=gnu11"}});
  if (ran.status == 77) GTEST_SKIP() << "this processor cannot make CPUID fault";
  EXPECT_EQ(ran.status, 0) << ran.output;
#endif
}

}  // namespace
}  // namespace tenon::testing
