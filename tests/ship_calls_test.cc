// Every wrong call of a saved program is answered by a code, by its entry and by the functions of its header alike.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <filesystem>
#include <fstream>

#include "tenon/tests/shipped.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

class Shipped : public ::testing::Test {
 protected:
  Shipped() : folder_(temporary_folder("calls")) {}
  ~Shipped() override { std::filesystem::remove_all(folder_); }
  // The result's lines that are not as they should be.
  void expect_right(const std::string& source, std::vector<std::string> objects) {
    const Ran ran = run_shipped(folder_, {.text = source, .objects = std::move(objects)});
    EXPECT_EQ(ran.status, 0);
    EXPECT_EQ(ran.output, "");
  }
  const std::string folder_;
};

// Two inputs of symbolic extents, two kernels with a buffer between them.
void save_table(const std::string& folder) {
  const auto f = jit([](const Tensor& x, const Tensor& w) {
    const Tensor y = matmul(x, w);
    return softmax(y * 2 + 1, 1);
  });
  const Dim n = dim("n", 1, int64_t{1} << 62), m = dim("m", 0, int64_t{1} << 62);
  aot::save(f, {.name = "table", .out = folder, .arguments = {"x", "w"}}, spec({n, 4}, f32), spec({4, m}, f32));
}

constexpr const char* opening = R"(
#include <stdio.h>
#include <string.h>
#include "table.h"
#define CHECK(call, wanted) do { \
  int64_t got_ = (int64_t)(call); \
  if (got_ != (wanted)) printf("line %d gives %lld\n", __LINE__, (long long)got_); } while (0)
)";

TEST_F(Shipped, EveryWrongCallOfTheEntryIsAnsweredByACode) {
  save_table(folder_);
  expect_right(std::string(opening) + R"(
static char* arena;
static float x[12], w[20], out[15], spare[64];
static const int64_t good[2] = {3, 5};
static const void* in[2] = {x, w};
static void* outs[1] = {out};

static tenon_call fresh(void) {
  tenon_call c;
  memset(&c, 0, sizeof c);
  c.struct_size = sizeof c; c.inputs = in; c.outputs = outs; c.arena = arena; c.dims = good; c.env = tenon_serial_env();
  return c;
}
static tenon_call at(const int64_t* dims) { tenon_call c = fresh(); c.dims = dims; return c; }

int main(void) {
  arena = tenon_alloc((uint64_t)table_arena_bytes(good));
  tenon_call c = fresh();
  CHECK(table(&c), TENON_OK);
  CHECK(table(NULL), TENON_BAD_CALL);
  c.struct_size = sizeof c - 1; CHECK(table(&c), TENON_BAD_CALL); c = fresh();
  c.struct_size = 0; CHECK(table(&c), TENON_BAD_CALL); c = fresh();
  c.inputs = NULL; CHECK(table(&c), TENON_BAD_CALL); c = fresh();
  c.outputs = NULL; CHECK(table(&c), TENON_BAD_CALL); c = fresh();
  c.dims = NULL; CHECK(table(&c), TENON_BAD_CALL); c = fresh();
  c.env = NULL; CHECK(table(&c), TENON_BAD_CALL); c = fresh();
  c.arena = NULL; CHECK(table(&c), TENON_BAD_CALL); c = fresh();
  c.arena = arena + 4; CHECK(table(&c), TENON_BAD_CALL); c = fresh();
  for (int k = 0; k < 2; k++) {
    const void* wrong[2] = {x, w};
    wrong[k] = NULL;
    c.inputs = wrong; CHECK(table(&c), TENON_BAD_CALL);
    wrong[k] = (const char*)spare + 2;
    CHECK(table(&c), TENON_BAD_CALL);
    c = fresh();
  }
  void* no_output[1] = {NULL};
  c.outputs = no_output; CHECK(table(&c), TENON_BAD_CALL);
  no_output[0] = (char*)spare + 1; CHECK(table(&c), TENON_BAD_CALL); c = fresh();
  tenon_env env = *tenon_serial_env();
  c.env = &env;
  CHECK(table(&c), TENON_OK);
  env.struct_size = 39; CHECK(table(&c), TENON_BAD_CALL); env.struct_size = 40; CHECK(table(&c), TENON_OK);
  env.threads = 2; env.parallel_for = NULL; CHECK(table(&c), TENON_BAD_CALL);
  env.threads = 0; CHECK(table(&c), TENON_OK);

  static const int64_t bad[][2] = {
    {0, 5}, {-1, 5}, {INT64_MIN, 5}, {3, -1}, {INT64_MAX, 5}, {3, INT64_MAX}, {INT64_C(1) << 62, 1},
    {1, INT64_C(1) << 62}, {INT64_C(1) << 40, INT64_C(1) << 40}, {INT64_C(1) << 31, INT64_C(1) << 31},
    {4, (INT64_C(1) << 59) - 1}, {INT64_C(1) << 59, 1}, {INT64_C(1) << 61, 0}};
  for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
    if (table_arena_bytes(bad[k]) != TENON_BAD_EXTENT) printf("arena of pair %zu\n", k);
    tenon_error error;
    memset(&error, 1, sizeof error);
    c = at(bad[k]);
    c.error = &error;
    c.arena = NULL;
    if (table(&c) != TENON_BAD_EXTENT || error.code != TENON_BAD_EXTENT || error.node != -1) printf("call of pair %zu\n", k);
  }
  CHECK(table_arena_bytes(NULL), TENON_BAD_CALL);
  /* Nothing is read or written where there are no elements. */
  static const int64_t empty[2] = {3, 0};
  const void* first_only[2] = {x, NULL};
  c = at(empty);
  c.inputs = first_only; c.outputs = outs; CHECK(table(&c), TENON_OK);
  return 0;
})",
               {"table.o"});
}

TEST_F(Shipped, EveryWrongCallOfTheHeaderIsAnsweredByACode) {
  save_table(folder_);
  expect_right(std::string(opening) + R"(
int main(void) {
  static float x[12], w[20], out[15];
  static const int64_t good[2] = {3, 5};
  const void* in[2] = {x, w};
  void* outs[1] = {out};
  CHECK(table_run(in, outs, good, NULL), TENON_OK);
  CHECK(table_typed(x, w, out, 3, 5), TENON_OK);
  CHECK(table_run(NULL, outs, good, NULL), TENON_BAD_CALL);
  CHECK(table_run(in, NULL, good, NULL), TENON_BAD_CALL);
  CHECK(table_run(in, outs, NULL, NULL), TENON_BAD_CALL);
  CHECK(table_typed(NULL, w, out, 3, 5), TENON_BAD_CALL);
  CHECK(table_typed(x, NULL, out, 3, 5), TENON_BAD_CALL);
  CHECK(table_typed(x, w, NULL, 3, 5), TENON_BAD_CALL);
  CHECK(table_typed((float*)((char*)x + 1), w, out, 2, 5), TENON_BAD_CALL);
  CHECK(table_typed(x, w, out, 0, 5), TENON_BAD_EXTENT);
  CHECK(table_typed(x, w, out, 3, -1), TENON_BAD_EXTENT);
  CHECK(table_typed(x, w, out, INT64_C(1) << 31, INT64_C(1) << 31), TENON_BAD_EXTENT);
  CHECK(table_typed(x, w, out, 4, (INT64_C(1) << 59) - 1), TENON_BAD_EXTENT);
  CHECK(table_typed(x, w, x, 3, 5), TENON_ALIAS);
  CHECK(table_typed(x, w, w + 19, 3, 5), TENON_ALIAS);
  CHECK(table_typed(x, x, out, 3, 3), TENON_OK);
  uint64_t sizes[3];
  CHECK(table_sizes(good, sizes, sizes + 2), TENON_OK);
  CHECK(sizes[0], 48); CHECK(sizes[1], 80); CHECK(sizes[2], 60);
  CHECK(table_sizes(NULL, sizes, NULL), TENON_BAD_CALL);
  for (int code = -7; code < 2; code++)
    if (table_message(code)[0] == 0) printf("no message for %d\n", code);
  return 0;
})",
               {"table.o"});
}

// A static program whose inputs are a tree: null structs and null members.
TEST_F(Shipped, NullTreesAreAnsweredByACode) {
  struct Params {
    Tensor w, b;
  };
  const auto f = jit([](const Params& p, const Tensor& x) { return Params{p.w * x, p.b + x}; }, {.donate = {0}});
  aot::save(f, {.name = "table", .out = folder_, .arguments = {"params", "x"}}, Params{spec({4}, f32), spec({4}, f32)},
            spec({4}, f32));
  expect_right(std::string(opening) + R"(
int main(void) {
  static float w[4] = {1, 2, 3, 4}, b[4], x[4] = {2, 2, 2, 2}, y[8];
  table_params params = {w, b};
  table_out out = {w, b};
  CHECK(table_typed(&params, x, &out), TENON_OK);
  CHECK(w[3], 8); CHECK(b[1], 2);
  CHECK(table_typed(NULL, x, &out), TENON_BAD_CALL);
  CHECK(table_typed(&params, x, NULL), TENON_BAD_CALL);
  out.b = NULL; CHECK(table_typed(&params, x, &out), TENON_BAD_CALL);
  out.b = y + 2; out.w = y; CHECK(table_typed(&params, x, &out), TENON_ALIAS);
  out.b = y + 4; CHECK(table_typed(&params, x, &out), TENON_OK);
  CHECK(table_in_params_b, 1); CHECK(table_out_w, 0);
  return 0;
})",
               {"table.o"});
}

}  // namespace
}  // namespace tenon::testing
