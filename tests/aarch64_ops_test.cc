// Every row of the op table compiled for AArch64 and run under qemu: the interpreter's bits.
// Skipped, with what is missing, where there is no cross compiler or no qemu.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tenon/runtime/compile.h"
#include "tenon/runtime/targets.h"
#include "tenon/tests/aarch64.h"
#include "tenon/tests/op_cases.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

using namespace ir;

void put(std::ofstream& out, uint64_t number) { out.write(reinterpret_cast<const char*>(&number), sizeof number); }

// The first case of each row, for its extents are numbers, over one of its dtypes: rows that follow each other take different ones.
// `part` of `parts`.
constexpr int parts = 4;
std::vector<Case> some_cases(int part) {
  std::vector<Case> cases;
  for (int op = part; op < op_count; op += parts) {
    const OpDef& row = def(static_cast<Op>(op));
    if (row.op == Op::custom_call) continue;  // a host function has no meaning to compare with
    std::vector<DType> dtypes;
    for (int t = 0; t < dtype_count; ++t)
      if (contains(row.dtypes, static_cast<DType>(t)) && !op_cases(row.op, static_cast<DType>(t)).empty())
        dtypes.push_back(static_cast<DType>(t));
    if (!dtypes.empty())
      cases.push_back(op_cases(row.op, dtypes[static_cast<size_t>(op / parts) % dtypes.size()]).front());
  }
  return cases;
}

// Reads for each program its inputs and the sizes of its outputs, runs it, and writes its code and outputs.
std::string driver(size_t count) {
  std::string source = "#include <stdio.h>\n#include <stdlib.h>\n#include <tenon/runtime/tenon_runtime.h>\n", table;
  for (size_t k = 0; k < count; ++k) {
    const std::string name = "case_" + std::to_string(k);
    source += "int32_t " + name + "(const tenon_call*);\nint64_t " + name + "_arena_bytes(const int64_t*);\n";
    table += "  {" + name + ", " + name + "_arena_bytes},\n";
  }
  source +=
      "static const struct { int32_t (*run)(const tenon_call*); int64_t (*arena)(const int64_t*); } table[] = {\n" +
      table;
  return source + R"(};
static uint64_t number(FILE* in) {
  uint64_t v = 0;
  if (fread(&v, sizeof v, 1, in) != 1) exit(3);
  return v;
}
int main(int argc, char** argv) {
  char path[4096];
  if (argc != 2) return 2;
  snprintf(path, sizeof path, "%s/cases.in", argv[1]);
  FILE* in = fopen(path, "rb");
  snprintf(path, sizeof path, "%s/cases.out", argv[1]);
  FILE* out = fopen(path, "wb");
  if (!in || !out) return 2;
  for (size_t k = 0; k < sizeof table / sizeof table[0]; k++) {
    void* buffers[1024];
    uint64_t sizes[1024], inputs = number(in), all = inputs;
    for (uint64_t b = 0; b < inputs; b++) {
      sizes[b] = number(in);
      buffers[b] = malloc(sizes[b] + 1);
      if (fread(buffers[b], 1, sizes[b], in) != sizes[b]) return 3;
    }
    for (all += number(in); inputs < all; inputs++) buffers[inputs] = malloc((sizes[inputs] = number(in)) + 1);
    inputs = number(in);
    int64_t arena = table[k].arena(NULL);
    tenon_call call = {.struct_size = sizeof call, .inputs = (const void* const*)buffers, .outputs = buffers + inputs,
                       .env = tenon_runtime_env()};
    call.arena = tenon_alloc(arena > 0 ? (uint64_t)arena : 1);
    int64_t code = table[k].run(&call);
    fwrite(&code, sizeof code, 1, out);
    for (uint64_t b = inputs; b < all; b++) fwrite(buffers[b], 1, sizes[b], out);
    tenon_free(call.arena, arena > 0 ? (uint64_t)arena : 1);
    for (uint64_t b = 0; b < all; b++) free(buffers[b]);
  }
  return fclose(out) != 0;
}
)";
}

class AArch64Ops : public ::testing::TestWithParam<int> {};

TEST_P(AArch64Ops, GiveTheInterpretersBits) {
  if (const std::string missing = missing_for_aarch64(); !missing.empty()) GTEST_SKIP() << missing;
  const std::string folder = temporary_folder("aarch64-ops");
  const std::vector<Case> cases = some_cases(GetParam());
  std::vector<std::vector<Array>> expected;
  std::vector<std::string> objects;
  std::ofstream in(folder + "/cases.in", std::ios::binary);
  for (size_t k = 0; k < cases.size(); ++k) {
    runtime::CompileOptions options;
    options.target = runtime::named_target("aarch64-linux-gnu");
    options.entry = "case_" + std::to_string(k);
    options.parts = 1;
    const runtime::Artifact artifact = runtime::compile_artifact(*cases[k].graph, options);
    objects.push_back(options.entry + ".o");
    std::ofstream(folder + "/" + objects.back(), std::ios::binary) << artifact.objects.at(0);
    expected.push_back(interpret(*cases[k].graph, cases[k].inputs));
    put(in, cases[k].inputs.size());
    for (const Array& a : cases[k].inputs) {
      put(in, a.data.size());
      in.write(reinterpret_cast<const char*>(a.data.data()), static_cast<std::streamsize>(a.data.size()));
    }
    put(in, expected[k].size());
    for (const Array& a : expected[k]) put(in, a.data.size());
    put(in, cases[k].inputs.size());
  }
  in.close();
  const Ran ran = run_on_aarch64(folder, driver(cases.size()), objects);
  ASSERT_EQ(ran.status, 0) << ran.output.substr(0, 4000);
  std::ifstream out(folder + "/cases.out", std::ios::binary);
  for (size_t k = 0; k < cases.size(); ++k) {
    int64_t code = -99;
    out.read(reinterpret_cast<char*>(&code), sizeof code);
    EXPECT_EQ(code, 0) << cases[k].name;
    for (const Array& wanted : expected[k]) {
      Array got(wanted.type);
      out.read(reinterpret_cast<char*>(got.data.data()), static_cast<std::streamsize>(got.data.size()));
      const auto wrong = difference(wanted, got, cases[k].nans);
      EXPECT_FALSE(wrong) << cases[k].name << ": " << *wrong;
    }
  }
  EXPECT_GT(cases.size(), 20u);
  std::filesystem::remove_all(folder);
}

INSTANTIATE_TEST_SUITE_P(Table, AArch64Ops, ::testing::Range(0, parts));

}  // namespace
}  // namespace tenon::testing
