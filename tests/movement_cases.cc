// Cases of sources, movement, indexing, order and random bits.
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

void add_movement(Op op, DType t, CaseBuilder& c) {
  Inputs in(c, op, t);
  switch (op) {
    case Op::constant:
      for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{{}, {1}, {3}, {2, 3}, {0}}) {
        const Array a = special_array(type_of(t, shape), in.random, Domain::any, 1);
        c.output(constant(c.builder, t, a.type.shape, std::string(a.data.begin(), a.data.end())));
      }
      break;
    case Op::iota:
      if (t == DType::boolean) break;
      c.output(iota(c.builder, t, {67}, 0));
      c.output(iota(c.builder, t, {300}, 0));  // wraps in 8 bits
      c.output(iota(c.builder, t, {3, 0, 2}, 0));
      for (int64_t axis = 0; axis < 3; ++axis) c.output(iota(c.builder, t, {3, 5, 7}, axis));
      break;
    case Op::reshape:
      c.output(reshape(in({}), {1, 1}));
      c.output(reshape(in({6}), {2, 3}));
      c.output(reshape(in({4, 3, 5}), {12, 5}));
      c.output(reshape(in({67}), {1, 67, 1}));
      c.output(reshape(in({0, 3}), {3, 0}));
      c.output(reshape(transpose(in({3, 8}), {1, 0}), {4, 6}));
      break;
    case Op::broadcast:
      c.output(broadcast(in({}), {3, 7}, {}));
      c.output(broadcast(in({5}), {3, 5}, {1}));
      c.output(broadcast(in({3}), {3, 67}, {0}));
      c.output(broadcast(in({3, 1}), {3, 7}, {0, 1}));
      c.output(broadcast(in({1}), {0}, {0}));
      c.output(broadcast(in({1, 4}), {2, 3, 4}, {0, 2}));
      break;
    case Op::transpose:
      c.output(transpose(in({}), {}));
      c.output(transpose(in({3, 67}), {1, 0}));
      c.output(transpose(in({0, 3}), {1, 0}));
      for (const std::vector<int64_t>& p :
           std::vector<std::vector<int64_t>>{{2, 0, 1}, {1, 0, 2}, {2, 1, 0}, {0, 2, 1}})
        c.output(transpose(in({5, 3, 17}), p));
      break;
    case Op::slice:
      c.output(slice(in({67}), {2}, {21}, {3}));
      c.output(slice(in({5, 7}), {1, 0}, {3, 7}, {1, 1}));
      c.output(slice(in({5, 7}), {4, 6}, {1, 1}, {9, 9}));
      c.output(slice(in({5}), {5}, {0}, {1}));
      break;
    case Op::dynamic_slice:
      for (int64_t start : {0, 2, -3, 99})
        c.output(dynamic_slice(in({7, 19}), std::vector<Value>{in.index(start), in.index(start + 1)}, {3, 17}));
      c.output(dynamic_slice(in({4}), std::vector<Value>{in.index(INT64_MIN)}, {0}));
      c.output(dynamic_slice(in({4}), std::vector<Value>{in.index(INT64_MAX)}, {2}));
      break;
    case Op::dynamic_update_slice:
      for (int64_t start : {0, 2, -3, 99})
        c.output(
            dynamic_update_slice(in({7, 19}), in({3, 17}), std::vector<Value>{in.index(start), in.index(start + 1)}));
      c.output(dynamic_update_slice(in({4}), in({0}), std::vector<Value>{in.index(1)}));
      break;
    case Op::pad:
      c.output(pad(in({5}), in({}), {2}, {3}, {1}));
      c.output(pad(in({5, 7}), in({}), {0, 1}, {1, 0}, {0, 0}));
      c.output(pad(in({0, 3}), in({}), {2, 1}, {1, 1}, {4, 2}));
      c.output(pad(in({67}), in({}), {0}, {0}, {2}));
      break;
    case Op::concat:
      c.output(concat(std::vector<Value>{in({3}), in({0}), in({67})}, 0));
      c.output(concat(std::vector<Value>{in({5, 3}), in({5, 1}), in({5, 17})}, 1));
      c.output(concat(std::vector<Value>{in({1, 7}), in({4, 7})}, 0));
      c.output(concat(std::vector<Value>{in({2, 1, 3}), in({2, 4, 3})}, 1));
      break;
    case Op::reverse:
      c.output(reverse(in({67}), {0}));
      c.output(reverse(in({5, 7}), {0}));
      c.output(reverse(in({5, 7}), {0, 1}));
      c.output(reverse(in({0}), {0}));
      break;
    case Op::gather:
      for (int64_t axis = 0; axis < 3; ++axis)
        c.output(apply(c.builder, op, std::vector{in({3, 5, 7}), in.indices({2, 3}, -3, 9)},
                       {Attr::of(std::vector{axis})})[0]);
      c.output(
          apply(c.builder, op, std::vector{in({67}), in.indices({}, 0, 67)}, {Attr::of(std::vector<int64_t>{0})})[0]);
      c.output(
          apply(c.builder, op, std::vector{in({5, 2}), in.indices({0}, 0, 5)}, {Attr::of(std::vector<int64_t>{0})})[0]);
      break;
    case Op::scatter_add: {
      const auto add = [&](std::vector<int64_t> shape, std::vector<int64_t> count, std::vector<int64_t> updates,
                           int64_t axis) {
        const Value x = c.input(random_array(type_of(t, std::move(shape)), in.random));
        const Value u = c.input(random_array(type_of(t, std::move(updates)), in.random));
        c.output(apply(c.builder, op, std::vector{x, in.indices(std::move(count), -2, 8), u},
                       {Attr::of(std::vector{axis})})[0]);
      };
      add({7}, {67}, {67}, 0);
      add({6, 5}, {3, 4}, {3, 4, 5}, 0);
      add({6, 5}, {9}, {6, 9}, 1);
      add({6}, {0}, {0}, 0);
      break;
    }
    case Op::sort:
      c.outputs(apply(c.builder, op, std::vector{in({67})}, {Attr::of(std::vector<int64_t>{0})}));
      for (int64_t axis : {0, 1})
        c.outputs(apply(c.builder, op, std::vector{in({5, 17}), iota(c.builder, DType::i64, {5, 17}, axis)},
                        {Attr::of(std::vector{axis})}));
      c.outputs(apply(c.builder, op, std::vector{in({0})}, {Attr::of(std::vector<int64_t>{0})}));
      c.outputs(apply(c.builder, op, std::vector{in({1, 3})}, {Attr::of(std::vector<int64_t>{0})}));
      break;
    default:
      for (DType to : {DType::u32, DType::u64})
        for (int64_t size : {0, 1, 3, 67})
          c.output(
              apply(c.builder, op, std::vector{in({2}), in({2})}, {Attr::of(to), Attr::of(std::vector<Dim>{size})})[0]);
      c.output(apply(c.builder, op, std::vector{in({2}), in({2})},
                     {Attr::of(DType::u32), Attr::of(std::vector<Dim>{5, 7})})[0]);
  }
}

}  // namespace

void movement_cases(Op op, DType t, std::vector<Case>& cases) {
  CaseBuilder c(std::string(def(op).name) + " " + std::string(name(t)),
                op == Op::scatter_add ? NaNs::one_value : NaNs::by_bits);
  add_movement(op, t, c);
  cases.push_back(c.finish());
}

}  // namespace tenon::testing
