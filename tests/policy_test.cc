// Where a policy of the system refuses executable memory, the error names the policy and what to do. Each case runs in a child
// under a seccomp filter of its own.
#include <errno.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstdio>
#include <string>

#include "tenon/tenon.h"
#include "tenon/tests/child.h"

namespace tn = tenon;
namespace {

[[maybe_unused]] const int no_cache = setenv("TENON_CACHE", "0", 1);

// From now on this system call gives `error`; with a mask, only where its third argument has one of these bits.
bool refuse_call(uint32_t number, uint32_t mask, uint32_t error) {
  const auto load = [](size_t offset) {
    return sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<uint32_t>(offset)};
  };
  sock_filter steps[] = {
      load(offsetof(seccomp_data, nr)),
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, number},
      load(offsetof(seccomp_data, args) + 2 * sizeof(uint64_t)),
      {BPF_JMP | BPF_JSET | BPF_K, 0, static_cast<uint8_t>(mask == 0 ? 0 : 1), mask},  // without a mask to the next
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | error},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  const sock_fprog program{sizeof steps / sizeof *steps, steps};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// What a first eager op says, twice, in a child under the filter; "skip" where there are no filters.
std::string under(uint32_t number, uint32_t mask, uint32_t error) {
  std::string said;
  const int code = tn::testing::in_child(
      [&] {
        if (!refuse_call(number, mask, error)) return 1;
        for (int round = 0; round < 2; ++round) try {  // a refusal breaks nothing: the next one says the same
            tn::tensor({1.f, 2.f}) + 1;
            fputs("no error\n", stderr);
          } catch (const tn::Error& e) {
            fprintf(stderr, "%s\n", e.what());
          }
        return 0;
      },
      &said);
  EXPECT_TRUE(code == 0 || code == 1) << code;
  return code == 1 ? "skip" : said;
}

void expect_remedy(const std::string& said, const char* call) {
  if (said == "skip") GTEST_SKIP() << "seccomp filters are not to be had";
  for (const char* part : {call, "policy", "seccomp", "SELinux", "aot::save", "policy_test.cc:", "add: "})
    EXPECT_NE(said.find(part), std::string::npos) << part << " is missing in: " << said;
  EXPECT_EQ(said.substr(0, said.find('\n')) + "\n", said.substr(said.find('\n') + 1))
      << "the second time it is the same";
}

TEST(Policy, MemfdRefused) { expect_remedy(under(SYS_memfd_create, 0, EPERM), "memfd_create"); }
TEST(Policy, MemfdUnknown) { expect_remedy(under(SYS_memfd_create, 0, ENOSYS), "memfd_create"); }
TEST(Policy, ExecutableMappingRefused) { expect_remedy(under(SYS_mmap, PROT_EXEC, EACCES), "mmap with PROT_EXEC"); }

TEST(Policy, OutOfMappingsIsNoPolicy) {
  const std::string said = under(SYS_mmap, PROT_EXEC, ENOMEM);
  if (said == "skip") GTEST_SKIP() << "seccomp filters are not to be had";
  EXPECT_NE(said.find("ulimit -v"), std::string::npos) << said;
  EXPECT_EQ(said.find("policy of"), std::string::npos) << said;
}

}  // namespace
