// Control flow whose bodies are drawn like programs: several carries of different types, stacked results, constants, branches
// in loops in branches, loops that end by their data and a counter.
#include <algorithm>

#include "tenon/tests/program_draw.h"

namespace tenon::testing {

using namespace ir;

namespace {

constexpr int64_t most_trips = 300;
constexpr int deepest = 3;

std::vector<Type> types_of(const std::vector<Value>& values) {
  std::vector<Type> types;
  for (Value v : values) types.push_back(v.type());
  return types;
}

// A loop's value must stay in range, or everything is infinite after a few trips.
Value damped(Draw& d, Value v) {
  if (!is_floating(v.dtype())) return v;
  switch (d.below(4)) {
    case 0: return tanh(v);
    case 1: return v * like(v, 0.5);
    case 2: return max(min(v, like(v, 4)), like(v, -4));
    default: return v;
  }
}

void draw_body(Draw& d) {
  for (uint64_t n = 1 + d.below(4); n > 0; --n) try {
      d.chance(6) ? draw_layer(d) : d.chance(5) ? draw_shape(d) : draw_step(d);
    } catch (const Error&) {  // a row refused its operands
    }
}

// A result of the body: the newest fitting value; that of a carry is mixed with what it was, or not.
ValueId drawn(Draw& d, const Type& type, int64_t carry = -1) {
  Value v = d.of_type(type.dtype, type.shape);
  if (carry < 0) return v.id;
  if (d.chance(2)) {
    const Value old{&d.b, ValueId{static_cast<uint32_t>(carry)}};
    v = v.dtype() == DType::boolean ? bit_xor(v, old) : add(v, old);
  }
  return damped(d, v).id;
}

std::vector<Value> some_values(Draw& d, uint64_t least, uint64_t most) {
  std::vector<Value> values;
  for (uint64_t n = least + d.below(most - least + 1); n > 0; --n) values.push_back(d.any());
  return values;
}

void cond(Draw& d) {
  const std::vector<Value> data = some_values(d, 1, 3);
  std::vector<Type> results;
  for (uint64_t n = 1 + d.below(3); n > 0; --n) results.push_back(data[d.below(data.size())].type());
  if (d.chance(3)) results.push_back({d.dtype(), d.shape(0, 2)});
  Attrs branches;
  for (int i = 0; i < 2; ++i) {
    Draw inner(d, types_of(data));
    if (!d.chance(4)) draw_body(inner);
    std::vector<ValueId> outputs;
    for (const Type& type : results) outputs.push_back(drawn(inner, type));
    branches.push_back(Attr::of(inner.b.finish(outputs)));
  }
  std::vector<Value> operands = {d.of_type(DType::boolean, {})};
  operands.insert(operands.end(), data.begin(), data.end());
  d.keep(d.emit(Op::cond, operands, branches));
}

void scan(Draw& d) {
  const std::vector<Value> constants = some_values(d, 0, 2), carries = some_values(d, 0, 3);
  std::vector<Value> xs;
  Dim length = d.chance(3) ? Dim(d.pick({0, 1, 2, 3, 5, 9})) : d.extent();
  if (const Value x = d.any(); !x.shape().empty() && !d.chance(4)) {
    length = x.shape()[0];
    xs.push_back(x);
  }
  for (uint64_t n = d.below(3); n > 0; --n) {
    Shape shape = d.shape(0, 2);
    shape.insert(0, length);
    if (d.fits(shape)) xs.push_back(d.of_type(d.dtype(), shape));
  }
  const int64_t trips = d.elements({length}), before = d.s.trips;
  if (trips > most_trips / before) return;
  std::vector<Value> operands = constants;
  operands.insert(operands.end(), carries.begin(), carries.end());
  operands.insert(operands.end(), xs.begin(), xs.end());
  if (operands.empty()) return;
  std::vector<Type> types = types_of(operands), results = types_of(carries);
  for (size_t i = constants.size() + carries.size(); i < types.size(); ++i) types[i].shape.erase(0);
  d.s.trips = before * std::max<int64_t>(trips, 1);
  Draw inner(d, types);
  draw_body(inner);
  for (uint64_t n = d.below(3); n > 0; --n) {
    const Type y = inner.any().type();
    Shape stacked = y.shape;
    stacked.insert(0, length);
    if (d.fits(stacked)) results.push_back(y);
  }
  d.s.trips = before;
  if (results.empty()) return;
  const auto counts =
      std::vector<int64_t>{static_cast<int64_t>(constants.size()), static_cast<int64_t>(carries.size())};
  std::vector<ValueId> outputs;
  for (size_t i = 0; i < results.size(); ++i)
    outputs.push_back(drawn(inner, results[i], i < carries.size() ? static_cast<int64_t>(constants.size() + i) : -1));
  const auto body = inner.b.finish(outputs);
  d.keep(d.emit(Op::scan, operands,
                {Attr::of(body), Attr::of(std::vector<Dim>{length}), Attr::of(counts), axes_of({d.chance(2)})}));
}

// carries: a counter, then data; runs while the counter is below its limit and, perhaps, the data says so.
void while_loop(Draw& d) {
  const int64_t limit = d.pick({0, 1, 2, 3, 7, 12}), before = d.s.trips;
  if (limit > most_trips / before) return;
  const Value zero = splat_integer(d.b, DType::i64, 0, {});
  const Value bound = d.depth == 0 && d.chance(2)
                          ? min(d.of_type(DType::i64, {}), splat_integer(d.b, DType::i64, limit, {}))
                          : splat_integer(d.b, DType::i64, limit, {});
  const std::vector<Value> constants = some_values(d, 0, 2), data = some_values(d, 1, 3);
  std::vector<Value> operands = {bound};
  operands.insert(operands.end(), constants.begin(), constants.end());
  const size_t counter = operands.size();
  operands.push_back(zero);
  operands.insert(operands.end(), data.begin(), data.end());
  const std::vector<Type> types = types_of(operands);
  Draw condition(d, types);
  const auto at = [](Draw& in, size_t i) { return Value{&in.b, ValueId{static_cast<uint32_t>(i)}}; };
  Value go = lt(at(condition, counter), at(condition, 0));
  if (d.chance(2)) {
    const Value x = at(condition, counter + 1);
    const Value sum =
        reduce(x.dtype() == DType::boolean ? Op::reduce_or : Op::reduce_max, x, condition.other_axes(x.shape(), {}));
    go = bit_and(go, x.dtype() == DType::boolean ? sum : lt(sum, like(sum, 3)));
  }
  const ValueId test[] = {go.id};
  const auto test_graph = condition.b.finish(test);
  d.s.trips = before * std::max<int64_t>(limit, 1);
  Draw inner(d, types);
  const Value next = at(inner, counter) + splat_integer(inner.b, DType::i64, 1, {});
  inner.pool.push_back(next);
  draw_body(inner);
  d.s.trips = before;
  std::vector<ValueId> outputs = {next.id};
  for (size_t i = counter + 1; i < types.size(); ++i)
    outputs.push_back(drawn(inner, types[i], static_cast<int64_t>(i)));
  const auto body = inner.b.finish(outputs);
  d.keep(d.emit(Op::while_loop, operands,
                {Attr::of(test_graph), Attr::of(body), axes_of({static_cast<int64_t>(counter)})}));
}

void call(Draw& d) {
  const std::vector<Value> operands = some_values(d, 1, 3);
  Draw inner(d, types_of(operands));
  draw_body(inner);
  std::vector<ValueId> outputs;
  for (uint64_t n = 1 + d.below(2); n > 0; --n) outputs.push_back(inner.any().id);
  const Attr graph = Attr::of(inner.b.finish(outputs));
  d.keep(d.emit(Op::call, operands, {graph}));
  if (d.chance(2)) {  // the same function on other operands
    std::vector<Value> others;
    for (Value v : operands) others.push_back(d.of_type(v.dtype(), v.shape()));
    d.keep(d.emit(Op::call, others, {graph}));
  }
}

}  // namespace

void draw_control(Draw& d) {
  if (d.depth >= deepest) return;
  switch (d.below(7)) {
    case 0:
    case 1: return cond(d);
    case 2:
    case 3:
    case 4: return scan(d);
    case 5: return while_loop(d);
    default: return call(d);
  }
}

}  // namespace tenon::testing
