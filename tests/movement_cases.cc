// Cases of sources, movement, indexing, order and random bits.
#include "tenon/ir/graph/attributes.h"
#include "tenon/tests/case_builder.h"

namespace tenon::testing {

using namespace ir;

namespace {

struct Inputs {
  CaseBuilder& c;
  DType t;
  Random random;
  Inputs(CaseBuilder& c, Op op, DType t)
      : c(c), t(t), random(static_cast<uint64_t>(op) * 64 + static_cast<uint64_t>(t)) {}
  Value operator()(std::vector<int64_t> shape) {
    return c.input(special_array(type_of(t, std::move(shape)), random, Domain::any, 1));
  }
  Value index(int64_t value) {
    Array a(type_of(DType::i64, {}));
    *a.as<int64_t>() = value;
    return c.input(std::move(a));
  }
  Value indices(std::vector<int64_t> shape, int64_t low, int64_t high) {
    return c.input(integer_array(type_of(DType::i64, std::move(shape)), random, low, high));
  }
};

void constant_cases(Inputs& in) {
  const int64_t rows = in.t == DType::c128 ? 1 : 2;  // what is above 64 bytes is an input
  for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{{}, {1}, {3}, {rows, 3}, {0}}) {
    const Array a = special_array(type_of(in.t, shape), in.random, Domain::any, 1);
    in.c.output(constant(in.c.builder, in.t, a.type.shape, std::string(a.data.begin(), a.data.end())));
  }
  const Array a = special_array(type_of(in.t, {3, 67}), in.random, Domain::any, 1);  // data beside the code
  const Attrs long_one =
      ConstantAttrs{.dtype = in.t, .shape = a.type.shape.dims(), .value = std::string(a.data.begin(), a.data.end())};
  const Value data{&in.c.builder, in.c.builder.add(Op::constant, {}, long_one)};
  in.c.output(reverse(data, {1}));
  in.c.output(data);
}

void iota_cases(Inputs& in) {
  if (in.t == DType::boolean || is_complex(in.t)) return;
  in.c.output(iota(in.c.builder, in.t, {67}, 0));
  in.c.output(iota(in.c.builder, in.t, {300}, 0));  // wraps in 8 bits
  in.c.output(iota(in.c.builder, in.t, {3, 0, 2}, 0));
  for (int64_t axis = 0; axis < 3; ++axis) in.c.output(iota(in.c.builder, in.t, {3, 5, 7}, axis));
}

void unset_cases(Inputs& in) {  // written before it is read, in a loop; elsewhere it is zeros
  const auto unset = [&](std::vector<Dim> shape) {
    return apply(in.c.builder, Op::unset, {}, UnsetAttrs{.dtype = in.t, .shape = std::move(shape)})[0];
  };
  in.c.output(unset({}));
  in.c.output(unset({67}));
  in.c.output(dynamic_update_slice(unset({5, 3}), in({2, 3}), std::vector<Value>{in.index(1), in.index(0)}));
}

void reshape_cases(Inputs& in) {
  in.c.output(reshape(in({}), {1, 1}));
  in.c.output(reshape(in({6}), {2, 3}));
  in.c.output(reshape(in({4, 3, 5}), {12, 5}));
  in.c.output(reshape(in({67}), {1, 67, 1}));
  in.c.output(reshape(in({0, 3}), {3, 0}));
  in.c.output(reshape(transpose(in({3, 8}), {1, 0}), {4, 6}));
}

void broadcast_cases(Inputs& in) {
  in.c.output(broadcast(in({}), {3, 7}, {}));
  in.c.output(broadcast(in({5}), {3, 5}, {1}));
  in.c.output(broadcast(in({3}), {3, 67}, {0}));
  in.c.output(broadcast(in({3, 1}), {3, 7}, {0, 1}));
  in.c.output(broadcast(in({1}), {0}, {0}));
  in.c.output(broadcast(in({1, 4}), {2, 3, 4}, {0, 2}));
}

void transpose_cases(Inputs& in) {
  in.c.output(transpose(in({}), {}));
  in.c.output(transpose(in({3, 67}), {1, 0}));
  in.c.output(transpose(in({0, 3}), {1, 0}));
  for (const std::vector<int64_t>& p : std::vector<std::vector<int64_t>>{{2, 0, 1}, {1, 0, 2}, {2, 1, 0}, {0, 2, 1}})
    in.c.output(transpose(in({5, 3, 17}), p));
  // By squares of 16, with what is left of them on both sides; fused with what reads the other way.
  const auto drawn = [&](std::vector<int64_t> shape) {
    return in.c.input(random_array(type_of(in.t, std::move(shape)), in.random, Domain::any));
  };
  in.c.output(transpose(drawn({35, 53}), {1, 0}));
  in.c.output(transpose(drawn({16, 290}), {1, 0}));
  in.c.output(transpose(drawn({2, 20, 3, 17}), {0, 2, 3, 1}));
  in.c.output(transpose(drawn({17, 2, 33}), {2, 1, 0}));
  const Value x = drawn({32, 32});
  const Value turned = transpose(x, {1, 0}), other = transpose(drawn({32, 32}), {1, 0});
  in.c.output(is_complex(in.t) ? turned + x : ir::select(ir::eq(turned, x), other, x));
}

void slice_cases(Inputs& in) {
  in.c.output(slice(in({67}), {2}, {21}, {3}));
  in.c.output(slice(in({5, 7}), {1, 0}, {3, 7}, {1, 1}));
  in.c.output(slice(in({5, 7}), {4, 6}, {1, 1}, {9, 9}));
  in.c.output(slice(in({5}), {5}, {0}, {1}));
}

void dynamic_slice_cases(Inputs& in) {
  for (int64_t start : {0, 2, -3, 99})
    in.c.output(dynamic_slice(in({7, 19}), std::vector<Value>{in.index(start), in.index(start + 1)}, {3, 17}));
  in.c.output(dynamic_slice(in({4}), std::vector<Value>{in.index(INT64_MIN)}, {0}));
  in.c.output(dynamic_slice(in({4}), std::vector<Value>{in.index(INT64_MAX)}, {2}));
}

void dynamic_update_slice_cases(Inputs& in) {
  for (int64_t start : {0, 2, -3, 99})
    in.c.output(
        dynamic_update_slice(in({7, 19}), in({3, 17}), std::vector<Value>{in.index(start), in.index(start + 1)}));
  in.c.output(dynamic_update_slice(in({4}), in({0}), std::vector<Value>{in.index(1)}));
}

void pad_cases(Inputs& in) {
  in.c.output(pad(in({5}), in({}), {2}, {3}, {1}));
  in.c.output(pad(in({5, 7}), in({}), {0, 1}, {1, 0}, {0, 0}));
  in.c.output(pad(in({0, 3}), in({}), {2, 1}, {1, 1}, {4, 2}));
  in.c.output(pad(in({67}), in({}), {0}, {0}, {2}));
}

void concat_cases(Inputs& in) {
  in.c.output(concat(std::vector<Value>{in({3}), in({0}), in({67})}, 0));
  in.c.output(concat(std::vector<Value>{in({5, 3}), in({5, 1}), in({5, 17})}, 1));
  in.c.output(concat(std::vector<Value>{in({1, 7}), in({4, 7})}, 0));
  in.c.output(concat(std::vector<Value>{in({2, 1, 3}), in({2, 4, 3})}, 1));
  // More parts than one element would ask: copied run by run, in one piece or row by row.
  std::vector<Value> many, columns;
  for (int64_t k = 0; k < 13; ++k) many.push_back(in({k % 4, 5})), columns.push_back(in({3, k % 3, 2}));
  in.c.output(concat(many, 0));
  in.c.output(concat(columns, 1));
}

void reverse_cases(Inputs& in) {
  in.c.output(reverse(in({67}), {0}));
  in.c.output(reverse(in({5, 7}), {0}));
  in.c.output(reverse(in({5, 7}), {0, 1}));
  in.c.output(reverse(in({0}), {0}));
}

void windows_cases(Inputs& in) {
  in.c.output(windows(in({67}), {{0}, {3}, {32}, {1}, {2}, {1}, 0, false}));
  in.c.output(windows(in({67}), {{0}, {4}, {7}, {0}, {9}, {3}, 1, false}));  // the taps behind the positions
  in.c.output(windows(in({2, 9, 37}), {{1, 2}, {3, 2}, {4, 35}, {0, 1}, {2, 1}, {1, 1}, 1, false}));
  in.c.output(windows(in({2, 9, 37}), {{2}, {5}, {17}, {8}, {1}, {-2}, 0, false}));
  in.c.output(windows(in({3, 20}), {{0}, {3}, {18}, {2}, {1}, {-1}, 0, true}));  // what a derivative adds up
  in.c.output(windows(in({2, 3, 2, 9, 21}), {{1, 2}, {3, 2}, {7, 10}, {0, 1}, {1, 2}, {1, -1}, 1, true}));
  in.c.output(windows(in({5}), {{0}, {9}, {0}, {0}, {1}, {1}, 0, false}));
  in.c.output(windows(in({0, 5}), {{1}, {2}, {4}, {0}, {1}, {1}, 0, false}));
}

// General forms of gather and scatter: x, indices, and their attributes.
struct Form {
  std::vector<int64_t> x, indices;
  GatherAttrs attrs;
  int64_t low = -3, high = 9;  // of indices
};
std::vector<Form> forms() {
  return {
      {{7, 9}, {4, 2}, {{1, 2}, {}, {}, {}, {0, 1}, 1, {3, 2}}},  // windows in both dimensions
      {{7, 9}, {2, 4}, {{0, 2}, {}, {}, {}, {1, 0}, 0, {3, 2}}},  // components in front and exchanged, windows around
      {{7, 9}, {4}, {{0}, {0}, {}, {}, {0}, 1, {1, 5}}},  // a window from 0 on
      {{5, 8, 6}, {3, 2}, {{1}, {0, 1}, {}, {}, {1, 0}, 1, {1, 1, 6}}},  // rows by two numbers
      {{3, 5, 7}, {3, 4, 7}, {{}, {1}, {0, 2}, {0, 2}, {1}, 3, {1, 1, 1}}},  // each lane its own, the last among them
      {{3, 5, 7}, {4, 3}, {{2}, {1}, {0}, {1}, {1}, 2, {1, 1, 7}}},  // lanes behind in the indices
      {{4, 6}, {5, 4, 1}, {{2}, {}, {0}, {1}, {1}, 2, {1, 3}}},  // lanes and windows
      {{6, 4, 19}, {4, 5}, {{0, 2}, {}, {1}, {0}, {0}, 2, {2, 1, 19}}, -1, 6},
      {{3, 4}, {2, 0}, {{0, 1}, {}, {}, {}, {}, 1, {2, 4}}},  // no components
      {{}, {3, 0}, {{}, {}, {}, {}, {}, 1, {}}},
      {{0, 3}, {2}, {{1}, {0}, {}, {}, {0}, 1, {1, 3}}},  // nothing to clamp to
      {{4, 3}, {0}, {{1}, {0}, {}, {}, {0}, 1, {1, 3}}},
      {{4, 3}, {2, 1}, {{0, 2}, {}, {}, {}, {0}, 1, {0, 3}}},
      {{5, 8}, {1030, 2}, {{}, {0, 1}, {}, {}, {1, 0}, 1, {1, 1}}, 0, 5},  // blocks of places, all inside
      {{5, 8}, {40, 2}, {{}, {0, 1}, {}, {}, {0, 1}, 1, {1, 1}}},
      {{3, 9}, {3, 40}, {{}, {1}, {0}, {0}, {1}, 2, {1, 1}}, 0, 9},  // blocks in each lane
  };
}

void gather_cases(Inputs& in) {
  for (size_t axis = 0; axis < 3; ++axis) in.c.output(take(in({3, 5, 7}), in.indices({2, 3}, -3, 9), axis));
  in.c.output(take(in({67}), in.indices({}, 0, 67), 0));
  in.c.output(take(in({5, 2}), in.indices({0}, 0, 5), 0));
  for (Form& f : forms())
    in.c.output(apply(in.c.builder, Op::gather, std::vector{in(f.x), in.indices(f.indices, f.low, f.high)},
                      std::move(f.attrs))[0]);
}

void scatter_cases(Inputs& in) {
  std::vector<const char*> combiners = {"set"};
  for (const char* name : {"add", "mul", "min", "max", "bit_and", "bit_or", "bit_xor"})
    if (contains(find_op(name)->dtypes, in.t)) combiners.push_back(name);
  const auto drawn = [&](const Type& type) { return in.c.input(random_array(type, in.random)); };
  const auto put = [&](std::vector<int64_t> shape, std::vector<int64_t> count, std::vector<int64_t> updates,
                       size_t axis, const char* combine, int64_t low = -2, int64_t high = 8) {
    const Value x = drawn(type_of(in.t, std::move(shape))), u = drawn(type_of(in.t, std::move(updates)));
    in.c.output(scatter(x, in.indices(std::move(count), low, high), u, axis, combine));
  };
  for (const char* combine : combiners) {
    put({7}, {67}, {67}, 0, combine);
    put({6, 5}, {3, 4}, {3, 4, 5}, 0, combine);
    put({6, 5}, {9}, {6, 9}, 1, combine);
    put({6}, {0}, {0}, 0, combine);
  }
  put({9}, {1100}, {1100}, 0, combiners.back(), 0, 9);  // blocks of updates that are all inside, the last of them short
  if (in.t == DType::f32) put({1100, 250}, {50}, {50, 250}, 0, "add", -2, 1102);  // rows in ranges
  size_t next = 0;
  for (const Form& f : forms()) {  // where the gather of this form reads
    const Value x = drawn(type_of(in.t, f.x)), indices = in.indices(f.indices, f.low, f.high);
    GatherAttrs to = f.attrs;
    const ScatterAttrs attrs{
        combiners[next++ % combiners.size()], to.offset_dims,     to.collapsed_slice_dims, to.operand_batching_dims,
        to.start_indices_batching_dims,       to.start_index_map, to.index_vector_dim};
    const Type type = apply(in.c.builder, Op::gather, std::vector{x, indices}, std::move(to))[0].type();
    for (const char* combine : {attrs.combine.c_str(), "set"}) {
      ScatterAttrs a = attrs;
      a.combine = combine;
      in.c.output(apply(in.c.builder, Op::scatter, std::vector{x, indices, drawn(type)}, std::move(a))[0]);
    }
  }
}

void sort_cases(Inputs& in) {
  in.c.outputs(apply(in.c.builder, Op::sort, std::vector{in({67})}, SortAttrs{0}));
  for (int64_t axis : {0, 1})
    in.c.outputs(apply(in.c.builder, Op::sort, std::vector{in({5, 17}), iota(in.c.builder, DType::i64, {5, 17}, axis)},
                       SortAttrs{static_cast<size_t>(axis)}));
  in.c.outputs(apply(in.c.builder, Op::sort, std::vector{in({0})}, SortAttrs{0}));
  in.c.outputs(apply(in.c.builder, Op::sort, std::vector{in({1, 3})}, SortAttrs{0}));
  // Rows that are sorted by digits: special values alone, with NaN and zeros of both signs; drawn ones; all of one digit.
  const auto drawn = [&](std::vector<int64_t> shape) {
    return in.c.input(random_array(type_of(in.t, std::move(shape)), in.random, Domain::any));
  };
  in.c.outputs(apply(in.c.builder, Op::sort, std::vector{in({128})}, SortAttrs{0}));
  in.c.outputs(apply(in.c.builder, Op::sort, std::vector{in({2, 300})}, SortAttrs{1}));
  in.c.outputs(apply(in.c.builder, Op::sort, std::vector{drawn({129, 3})}, SortAttrs{0}));
  in.c.outputs(apply(in.c.builder, Op::sort,
                     std::vector{ir::select(ir::eq(drawn({400}), drawn({400})), drawn({400}), drawn({400}))},
                     SortAttrs{0}));
  if (in.t == DType::f32 || in.t == DType::i64)  // so long that digits are wide
    for (const Value& x : {in({1 << 15}), drawn({33001})})
      in.c.outputs(
          apply(in.c.builder, Op::sort, std::vector{x, iota(in.c.builder, DType::i32, x.shape(), 0)}, SortAttrs{0}));
  // Rows of keys alone that are sorted side by side: groups that share rows, blocks that share elements, lanes along the last axis.
  const auto side_by_side = [&](const Value& x, size_t axis) {
    in.c.outputs(apply(in.c.builder, Op::sort, std::vector{x}, SortAttrs{axis}));
  };
  side_by_side(in({37, 21}), 1);
  side_by_side(in({37, 21}), 0);
  side_by_side(drawn({3, 7, 33}), 2);
  side_by_side(drawn({2, 19, 18}), 1);
  side_by_side(drawn({16, 530}), 1);
  for (const Value& x : {in({3, 257}), drawn({3, 257})})
    in.c.outputs(apply(in.c.builder, Op::sort,
                       std::vector{x, iota(in.c.builder, DType::i64, {3, 257}, 1), drawn({3, 257})}, SortAttrs{1}));
  in.c.outputs(apply(in.c.builder, Op::sort, std::vector{drawn({200, 2}), iota(in.c.builder, DType::i64, {200, 2}, 0)},
                     SortAttrs{0}));
}

void random_bits_cases(Inputs& in) {
  for (DType to : {DType::u32, DType::u64})
    for (int64_t size : {0, 1, 3, 67})
      in.c.output(apply(in.c.builder, Op::random_bits, std::vector{in({2}), in({2})}, RandomBitsAttrs{to, {size}})[0]);
  in.c.output(
      apply(in.c.builder, Op::random_bits, std::vector{in({2}), in({2})}, RandomBitsAttrs{DType::u32, {5, 7}})[0]);
}

struct Row {
  Op op;
  void (*add)(Inputs&);
};
constexpr Row rows[] = {
    {Op::constant, constant_cases},
    {Op::iota, iota_cases},
    {Op::unset, unset_cases},
    {Op::reshape, reshape_cases},
    {Op::broadcast, broadcast_cases},
    {Op::transpose, transpose_cases},
    {Op::slice, slice_cases},
    {Op::dynamic_slice, dynamic_slice_cases},
    {Op::dynamic_update_slice, dynamic_update_slice_cases},
    {Op::pad, pad_cases},
    {Op::concat, concat_cases},
    {Op::reverse, reverse_cases},
    {Op::windows, windows_cases},
    {Op::gather, gather_cases},
    {Op::scatter, scatter_cases},
    {Op::sort, sort_cases},
    {Op::random_bits, random_bits_cases},
};

void add_movement(Op op, DType t, CaseBuilder& c) {
  Inputs in(c, op, t);
  for (const Row& row : rows)
    if (row.op == op) return row.add(in);
  throw InternalError(std::string(def(op).name) + " has no cases");
}

}  // namespace

void movement_cases(Op op, DType t, std::vector<Case>& cases) {
  CaseBuilder c(std::string(def(op).name) + " " + std::string(name(t)),
                op == Op::scatter ? NaNs::one_value : NaNs::by_bits);
  add_movement(op, t, c);
  cases.push_back(c.finish());
}

}  // namespace tenon::testing
