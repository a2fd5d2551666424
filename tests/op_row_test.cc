// Incomplete rows of the op table do not build, and the compiler's message names the row and the missing column. Compiles
// ir/ops.cc against an edited copy of ir/ops.def; skipped, with the reason, where there is no compiler.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace tenon::ir {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// The tree by links, except for ops.def, which is a copy that the test edits.
class EditedTable : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* chosen = std::getenv("CXX");
    compiler_ = chosen ? chosen : "c++";
    if (std::system((compiler_ + " --version > /dev/null 2>&1").c_str()) != 0)
      GTEST_SKIP() << "there is no compiler " << compiler_;
    root_ = fs::temp_directory_path() /
            ("tenon_op_row_" + std::to_string(::testing::UnitTest::GetInstance()->random_seed()) + "_" +
             ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
    fs::create_directories(root_ / "tenon" / "ir");
    const fs::path source = fs::path(TENON_SOURCE_DIR) / "ir";
    for (const auto& entry : fs::directory_iterator(source))
      if (entry.path().filename() != "ops.def")
        fs::create_symlink(entry.path(), root_ / "tenon" / "ir" / entry.path().filename());
    table_ = read(source / "ops.def");
  }
  void TearDown() override { fs::remove_all(root_); }

  void replace(const std::string& from, const std::string& to) {
    const size_t at = table_.find(from);
    ASSERT_NE(at, std::string::npos) << "ops.def no longer has: " << from;
    table_.replace(at, from.size(), to);
  }

  // What the compiler says about ops.cc with the edited table; empty when it builds.
  std::string compile() {
    std::ofstream(root_ / "tenon" / "ir" / "ops.def") << table_;
    const std::string command = compiler_ + " -std=c++20 -fsyntax-only -I" + root_.string() + " " +
                                (root_ / "tenon/ir/ops.cc").string() + " 2>&1";
    FILE* pipe = popen(command.c_str(), "r");
    std::string said;
    std::array<char, 4096> buffer;
    for (size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) said.append(buffer.data(), n);
    return pclose(pipe) == 0 ? "" : said;
  }

  void expect_refused(const char* row, const char* reason) {
    const std::string said = compile();
    // GCC writes Complete<tenon::ir::Op::sin>, clang Complete<Op::sin>.
    EXPECT_NE(said.find("Op::" + std::string(row) + ">"), std::string::npos) << said;
    EXPECT_NE(said.find(reason), std::string::npos) << said;
    EXPECT_LE(std::count(said.begin(), said.end(), '\n'), 15) << said;
  }

  std::string compiler_, table_;
  fs::path root_;
};

TEST_F(EditedTable, WithoutDerivative) {
  replace("EXPAND(math::sin(x)), .ulp = 1, PARTIALS(cos(x)))", "EXPAND(math::sin(x)), .ulp = 1)");
  expect_refused("sin", "op row without a derivative: give .flat, PARTIALS, .jvp or .linear and .transpose");
}

TEST_F(EditedTable, WithoutMeaning) {
  replace("EXPAND(math::tanh(x)), .ulp = 1, ", "");
  expect_refused("tanh", "op row without column expand");
}

TEST_F(EditedTable, WithoutAccuracy) {
  replace("EXPAND(math::tanh(x)), .ulp = 1, ", "EXPAND(math::tanh(x)), ");
  expect_refused("tanh", "op row without column ulp");
}

TEST_F(EditedTable, WithoutWhereElementsAreFound) {
  replace(".reads = Reads::index, .axes = rules::iota_axes, ", "");
  expect_refused("iota", "op row without column reads");
}

TEST_F(EditedTable, WithoutTheAxesOfARead) {
  replace(".axes = rules::iota_axes, ", "");
  expect_refused("iota", "op row without column axes");
}

TEST_F(EditedTable, WithoutHowOftenElementsAreAskedFor) {
  replace(".asks = Asks::own, ", "");
  expect_refused("pad", "op row without column asks");
}

TEST_F(EditedTable, WithoutTheCostOfRandomBits) {
  replace(".cost = 70, ", "");
  expect_refused("random_bits", "op row without column cost");
}

TEST_F(EditedTable, WithoutWhatAFenceGivesOn) {
  replace("TENON_OP(barrier, effect, -1, .same = true, ", "TENON_OP(barrier, effect, -1, ");
  expect_refused("barrier", "op row without column same");
}

TEST_F(EditedTable, WithoutWhatAReductionStartsFrom) {
  replace(".jvp = rules::extremum_jvp, .identity = Identity::lowest)", ".jvp = rules::extremum_jvp)");
  expect_refused("reduce_max", "op row without column identity");
}

TEST_F(EditedTable, WithoutWhatRanksMayShareOut) {
  replace(", .factors = rules::factors_sort)", ")");
  expect_refused("sort", "op row without column factors");
}

TEST_F(EditedTable, NewReductionIsOneRow) {
  replace("TENON_OP(reduce_or, ",
          "TENON_OP(reduce_xor, reduction, 1, .dtypes = integer_types | bool_type, .attrs = schema::Reduce,\n"
          "         .infer = rules::infer_reduce, .eval = rules::eval_reduce, .flat = true, .combine = Op::bit_xor,\n"
          "         .batch = rules::batch_reduce)\n"
          "TENON_OP(reduce_or, ");
  EXPECT_EQ(compile(), "");
}

TEST_F(EditedTable, WithoutLanes) {
  replace(".batch = rules::batch_gather", ".unnamed = false");
  expect_refused("gather", "op row without column batch");
}

TEST_F(EditedTable, WithoutReferenceMeaning) {
  replace(".eval = rules::eval_gather, ", "");
  expect_refused("gather", "op row without column eval");
}

TEST_F(EditedTable, WithoutLowering) {
  replace(", .nest = rules::nest_sort", "");
  expect_refused("sort", "op row without a lowering");
}

TEST_F(EditedTable, NewElementwiseRowIsOneRow) {
  replace("TENON_UNARY(sin, ",
          "TENON_UNARY(cot, .dtypes = float_types, EXPAND(like(x, 1) / math::tan(x)), .ulp = 2,\n"
          "            PARTIALS(-(like(x, 1) + r * r)), .domain = Domain::nonzero)\nTENON_UNARY(sin, ");
  EXPECT_EQ(compile(), "");
}

}  // namespace
}  // namespace tenon::ir
