// What the caches know a program by: every field of its options and of its target, the versions, the passes left out. A
// field that is added and not listed here fails, so that none is forgotten in the key.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <tenon/tenon.h>
#include <unistd.h>

#include <functional>
#include <set>

#include "tenon/codegen/codegen.h"
#include "tenon/frontend/tree/members.h"
#include "tenon/runtime/cache/build_identity.h"
#include "tenon/runtime/compile.h"
#include "tenon/runtime/targets.h"

namespace tenon::runtime {
namespace {

std::shared_ptr<const ir::Graph> graph_of(const std::string& body) {
  return ir::parse("graph @main(%0: f32[8], %1: f32[8]) -> (%2) {\n" + body + "}\n");
}
const auto& sum() {
  static const auto graph = graph_of("  %2 = add %0, %1 : f32[8]\n");
  return *graph;
}

TEST(CacheKey, HoldsEveryFieldOfTheTarget) {
  const auto key = [](const Target& target) {
    CompileOptions options;
    options.target = target;
    return program_key(sum(), options);
  };
  std::set<std::string> keys;
  size_t targets = 0;
  for (const Target& target : {Target::portable(), Target::cuda_sm(90)}) {
    EXPECT_EQ(key(target), key(target));
    keys.insert(key(target));
    ++targets;
    size_t fields = 0;
    for_each_field(target, [&](const char*, const auto&) { ++fields; });
    for (size_t changed = 0; changed < fields; ++changed) {
      Target other = target;
      size_t at = 0;
      std::string name;
      for_each_field(other, [&](const char* field, auto& value) {
        if (at++ != changed) return;
        name = field;
        if constexpr (std::is_same_v<decltype(value), std::string&>)
          value += "x";
        else if constexpr (std::is_same_v<decltype(value), bool&>)
          value = !value;
        else
          value += 1;
      });
      EXPECT_TRUE(keys.insert(key(other)).second) << name;
      EXPECT_NE(other, target) << name << " is not what is compared";
      ++targets;
    }
    const size_t machine = target.kind() == TargetKind::cpu
                               ? detail::member_count<CpuTarget>() - 1 + detail::member_count<ContractTiles>()
                               : detail::member_count<CudaTarget>();
    EXPECT_EQ(fields, detail::member_count<Target>() - 3 + detail::member_count<Tiles>() +
                          detail::member_count<FusionLimits>() + machine)
        << "for_each_field leaves a field out";
  }
  EXPECT_EQ(keys.size(), targets);
}

TEST(CacheKey, ATargetWithoutAWordIsThePortableOne) {
  CompileOptions portable, floor, host;
  portable.target = Target::portable();
  floor.target = Target{};
  EXPECT_EQ(program_key(sum(), portable), program_key(sum(), floor));
  host.target = current_device().target(current_device());
  EXPECT_EQ(program_key(sum(), host), program_key(sum())) << "no target is the machine at hand";
}

TEST(CacheKey, HoldsEveryOptionThatChangesCode) {
  struct Change {
    const char* name;
    std::function<void(CompileOptions&)> make;
    bool of_code = true;
  };
  const Change changes[] = {
      {"fuse", [](CompileOptions& o) { o.fuse = false; }},
      {"check_nans", [](CompileOptions& o) { o.check_nans = true; }},
      {"disk_cache", [](CompileOptions& o) { o.disk_cache = false; }, false},
      {"memory_cache", [](CompileOptions& o) { o.memory_cache = false; }, false},
      {"donations", [](CompileOptions& o) { o.donations = {{0, 0}}; }},
      {"entry", [](CompileOptions& o) { o.entry = "another"; }},
      {"target", [](CompileOptions& o) { o.target = Target::cuda_sm(90); }},
      {"device", [](CompileOptions& o) { o.device = &current_device(); }, false},
      {"parts", [](CompileOptions& o) { o.parts = 3; }},
      {"stored", [](CompileOptions& o) { o.stored = {0}; }},
  };
  ASSERT_EQ(std::size(changes), detail::member_count<CompileOptions>()) << "an option is not in the list";
  const std::string before = program_key(sum());
  for (const Change& change : changes) {
    CompileOptions other;
    change.make(other);
    EXPECT_EQ(program_key(sum(), other) != before, change.of_code) << change.name;
  }
  // Options that begin alike.
  const auto key = [](std::vector<std::pair<uint32_t, uint32_t>> donations) {
    CompileOptions o;
    o.donations = std::move(donations);
    return program_key(sum(), o);
  };
  EXPECT_NE(key({{0, 0}}), key({{1, 0}}));
  EXPECT_NE(key({{0, 0}}), key({{0, 0}, {1, 1}}));
  EXPECT_NE(key({{1, 11}}), key({{11, 1}}));
}

TEST(CacheKey, HoldsTheProgramAndTheVersions) {
  const std::string key = program_key(sum());
  EXPECT_NE(program_key(*graph_of("  %2 = sub %0, %1 : f32[8]\n")), key);
  EXPECT_NE(program_key(*ir::parse("graph @main(%0: f64[8], %1: f64[8]) -> (%2) {\n  %2 = add %0, %1 : f64[8]\n}\n")),
            key);
  for (const std::string& part :
       {build_identity(), current_device().compiler(), "numerics " + std::to_string(numerics_version)})
    EXPECT_NE(key.find(part + "\n"), std::string::npos) << part;
}

// A compiler library that was built anew under the same version is another compiler.
TEST(CacheKey, HoldsTheBuildOfTheCompiler) {
  const std::string compiler = module_identity(codegen::compiler_address());
  EXPECT_NE(compiler, build_identity()) << "LLVM is linked into the program itself; the key holds that";
  EXPECT_NE(program_key(sum()).find(codegen::compiler_version() + " build " + compiler + "\n"), std::string::npos);
}

TEST(CacheKey, IsPrintedForAnotherProcess) {
  if (const char* to = getenv("TENON_KEY_TO")) {
    const std::string key = program_key(sum());
    ASSERT_EQ(write(atoi(to), key.data(), key.size()), static_cast<ssize_t>(key.size()));
  }
}

// The key as a fresh process sees it, with TENON_PASSES set so.
std::string key_with_passes(const char* passes) {
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  const pid_t child = fork();
  if (child == 0) {
    setenv("TENON_PASSES", passes, 1);
    setenv("TENON_KEY_TO", std::to_string(ends[1]).c_str(), 1);
    execl("/proc/self/exe", "cache_key_test", "--gtest_filter=CacheKey.IsPrintedForAnotherProcess", "--gtest_brief=1",
          nullptr);
    _exit(127);
  }
  close(ends[1]);
  std::string key;
  char some[4096];
  for (ssize_t n; (n = read(ends[0], some, sizeof some)) > 0;) key.append(some, static_cast<size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  return key;
}

TEST(CacheKey, HoldsThePassesThatAreLeftOut) {
  const std::string all = key_with_passes("");
  EXPECT_FALSE(all.empty());
  EXPECT_EQ(key_with_passes(""), all);
  for (const char* passes : {"-simplify", "-fuse", "-schedule", "-inline_calls"})
    EXPECT_NE(key_with_passes(passes), all) << passes;
  EXPECT_EQ(key_with_passes("-fuse,-simplify"), key_with_passes("-simplify,-fuse"));
}

// The same function with and without donation, in one process and from the disk.
TEST(Caches, KeepDonatedProgramsApart) {
  const auto f = [](const Tensor& x) { return x * 3 + 1; };
  const auto plain = jit(f), taking = jit(f, {.donate = {0}});
  for (int round = 0; round < 3; ++round) {
    if (round == 2) clear_memory_cache();
    const auto x = tensor({1.f, 2.f});
    const void* memory = x.raw();
    EXPECT_NE(plain(x).raw(), memory);
    EXPECT_EQ(x.to_vector<float>(), (std::vector<float>{1, 2})) << "an undonated argument was written to";
    const auto y = taking(x);
    EXPECT_EQ(y.raw(), memory) << "a donated argument's memory was not taken";
    EXPECT_EQ(y.to_vector<float>(), (std::vector<float>{4, 7}));
    EXPECT_THROW(x.to_vector<float>(), Error);
  }
  const auto x = tensor({1.f, 2.f});
  const auto fresh = jit(f);  // its program was compiled with a donation too
  fresh(x);
  EXPECT_EQ(x.to_vector<float>(), (std::vector<float>{1, 2}));
}

TEST(Caches, KeepTargetsApart) {
  CompileOptions portable, host;
  portable.target = Target::portable();
  const auto a = compile(sum(), host), b = compile(sum(), portable), again = compile(sum(), portable);
  EXPECT_EQ(b, again);
  EXPECT_NE(a, b);
  EXPECT_EQ(b->manifest().needs, needed_features(Target::portable()));
  EXPECT_EQ(a->manifest().needs, needed_features(current_device().target(current_device())));
}

}  // namespace
}  // namespace tenon::runtime
