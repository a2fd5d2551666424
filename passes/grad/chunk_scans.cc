// A scan that is to keep little of its states, before it is differentiated: a scan of scans, of which the outer one stacks the
// states that its chunks start from, and the backward pass runs a chunk again for what is in it (linearize_scan.cc).
//   scan f, n = 1000, memory   ->   scan (scan f, n = 32), n = 31; scan f, n = 8
// Constants that have derivatives are carried on, so that their cotangents add up iteration by iteration as they do in one scan.
// Refuses free extents, and scans whose states all fit.
#include <algorithm>
#include <cmath>

#include "tenon/ir/rules/sketch.h"
#include "tenon/passes/grad/linearize_control.h"
#include "tenon/passes/rows.h"

namespace tenon::passes {

using namespace ir;

namespace {

using Values = std::vector<Value>;

int64_t bytes_or_none(const Type& type) {
  return type.shape.is_static() ? byte_count(type.shape, bytes(type.dtype)) : 0;
}

// How long a chunk is; 0: there are none. What is kept is a state per chunk and what one chunk computes: least where they balance.
int64_t chunk_of(const Loop& loop) {
  if (!loop.length.is_number()) return 0;
  const int64_t n = loop.length.number();
  double state = 1, computed = 1;
  for (size_t i = 0; i < loop.carries; ++i)
    state += static_cast<double>(bytes_or_none(input_type(*loop.body, loop.constants + i)));
  for (uint32_t v = loop.body->input_count(); v < loop.body->value_count(); ++v)
    computed += static_cast<double>(bytes_or_none(loop.body->type(ValueId{v})));
  if (n < 4 || static_cast<double>(n) * computed <= static_cast<double>(loop.memory)) return 0;
  return std::clamp<int64_t>(static_cast<int64_t>(std::sqrt(static_cast<double>(n) * state / computed)), 2, n / 2);
}

struct Chunks {
  const Loop& loop;
  const int64_t chunk, count, rest;
  std::vector<size_t> fixed, carried;  // constants that stay ones, and those that are carried on

  explicit Chunks(const Loop& l, int64_t size)
      : loop(l), chunk(size), count(l.length.number() / size), rest(l.length.number() - count * size) {
    for (size_t i = 0; i < loop.constants; ++i)
      (is_continuous(input_type(*loop.body, i).dtype) ? carried : fixed).push_back(i);
  }
  size_t carries() const { return carried.size() + loop.carries; }
  size_t first_row() const { return loop.constants + loop.carries; }

  // fixed..., carried..., carries..., rows... of what was constants..., carries..., rows...
  template <class T>
  std::vector<T> sorted(const std::vector<T>& all) const {
    std::vector<T> result;
    for (const auto* list : {&fixed, &carried})
      for (size_t i : *list) result.push_back(all[i]);
    result.insert(result.end(), all.begin() + static_cast<std::ptrdiff_t>(loop.constants), all.end());
    return result;
  }
  std::vector<Type> types() const {
    std::vector<Type> all;
    for (size_t i = 0; i < loop.body->input_count(); ++i) all.push_back(input_type(*loop.body, i));
    return sorted(all);
  }

  // A constant is read through a value of its own: what its uses in one iteration give it adds up before it joins the sum.
  GraphPtr body() const {
    rules::Sketch s(*loop.body);
    s.builder.folding = s.builder.merging = false;
    Values inputs, plain(loop.body->input_count()), outputs;
    for (const Type& type : types()) inputs.push_back(s.input(type));
    for (size_t k = 0; k < fixed.size(); ++k) plain[fixed[k]] = inputs[k];
    for (size_t k = 0; k < carried.size(); ++k) {
      const Value v = inputs[fixed.size() + k];
      outputs.push_back(v);
      const ValueId apart = s.builder.add(Op::reshape, {v.id}, ReshapeAttrs{.shape = v.shape().dims()});
      plain[carried[k]] = {&s.builder, apart};
    }
    std::copy(inputs.begin() + static_cast<std::ptrdiff_t>(loop.constants), inputs.end(),
              plain.begin() + static_cast<std::ptrdiff_t>(loop.constants));
    for (Value v : s.splice(*loop.body, plain)) outputs.push_back(v);
    return s.finish(outputs);
  }
  Attrs scan(GraphPtr of, int64_t length, int64_t memory) const {
    return ScanAttrs{.body = std::move(of),
                     .length = Dim(length),
                     .counts = {static_cast<int64_t>(fixed.size()), static_cast<int64_t>(carries())},
                     .reverse = loop.reverse,
                     .memory = memory,
                     .unroll = memory == 0 ? loop.unroll : 0};
  }
  GraphPtr outer_body() const {
    rules::Sketch s(*loop.body);
    s.builder.folding = s.builder.merging = false;
    Values inputs;
    const std::vector<Type> all = types();
    for (size_t i = 0; i < all.size(); ++i) {
      Type type = all[i];
      if (i >= first_row()) type.shape.insert(0, Dim(chunk));
      inputs.push_back(s.input(type));
    }
    return s.finish(apply(s.builder, Op::scan, inputs, scan(body(), chunk, 0)));
  }
};

}  // namespace

std::vector<Value> chunked(GraphBuilder& b, const Attrs& attrs, std::span<const Value> operands) {
  const Loop loop = loop_of(Scan(attrs), operands.size());
  const int64_t size = chunk_of(loop);
  if (size == 0) {
    const Scan scan(attrs);  // a free length stays, and keeps its states alone
    return apply(b, Op::scan, operands,
                 ScanAttrs{.body = scan.body,
                           .length = loop.length,
                           .counts = counts_of(loop),
                           .reverse = loop.reverse,
                           .memory = loop.length.is_number() ? 0 : loop.memory,
                           .unroll = loop.unroll});
  }
  const Chunks c(loop, size);
  const int64_t main = c.count * c.chunk;
  const Values all = c.sorted(Values(operands.begin(), operands.end()));
  Values outer(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(c.first_row()));
  for (size_t i = c.first_row(); i < all.size(); ++i)
    outer.push_back(with_leading(rows(all[i], loop.reverse ? c.rest : 0, main), {c.count, c.chunk}, 1));
  Values results = apply(b, Op::scan, outer, c.scan(c.outer_body(), c.count, loop.memory));
  for (size_t y = c.carries(); y < results.size(); ++y) results[y] = with_leading(results[y], {main}, 2);
  if (c.rest > 0) {
    Values inputs(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(c.fixed.size()));
    inputs.insert(inputs.end(), results.begin(), results.begin() + static_cast<std::ptrdiff_t>(c.carries()));
    for (size_t i = c.first_row(); i < all.size(); ++i) inputs.push_back(rows(all[i], loop.reverse ? 0 : main, c.rest));
    Values last = apply(b, Op::scan, inputs, c.scan(c.body(), c.rest, 0));
    for (size_t y = c.carries(); y < last.size(); ++y) {
      const Value parts[] = {loop.reverse ? last[y] : results[y], loop.reverse ? results[y] : last[y]};
      last[y] = concat(parts, 0);
    }
    results = std::move(last);
  }
  return {results.begin() + static_cast<std::ptrdiff_t>(c.carried.size()), results.end()};
}

}  // namespace tenon::passes
