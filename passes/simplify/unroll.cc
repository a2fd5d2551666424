// A scan whose body is several iterations of another's, and what they leave over.
//   scan f, n = 7, unroll = 3   ->   scan (f f f), n = 2, over rows of three; scan f, n = 1, over the last row
// The iterations are the same ones in the same order, so no bit changes. Refuses free extents, which stay as they are, and bodies
// that would become too long: it writes out fewer iterations then.
#include "tenon/ir/graph/loops.h"
#include "tenon/ir/rules/sketch.h"
#include "tenon/passes/rows.h"
#include "tenon/passes/simplify/simplify.h"

namespace tenon::passes {

using namespace ir;

namespace {

constexpr int64_t most_nodes = 512;  // of an unrolled body

using Values = std::vector<Value>;

struct Unrolled {
  const Loop& loop;
  const int64_t times;

  // One round: rows of `times` elements in, and out.
  std::shared_ptr<const Graph> body() const {
    rules::Sketch s(*loop.body);
    Values inputs, stacked(loop.stacked);
    const size_t first_row = loop.constants + loop.carries;
    for (size_t i = 0; i < loop.body->input_count(); ++i) {
      Type type = loop.body->type(ValueId{static_cast<uint32_t>(i)});
      if (i >= first_row) type.shape.insert(0, Dim(times));
      inputs.push_back(s.input(type));
    }
    Values state(inputs.begin(), inputs.begin() + static_cast<std::ptrdiff_t>(first_row));
    std::vector<Values> given(static_cast<size_t>(times));
    for (int64_t k = 0; k < times; ++k) {
      const int64_t at = loop.reverse ? times - 1 - k : k;
      Values now = state;
      for (size_t i = first_row; i < inputs.size(); ++i) {
        const Value row = rows(inputs[i], at, 1);
        now.push_back(with_leading(row, {}, 1));
      }
      const Values next = s.splice(*loop.body, now);
      std::copy_n(next.begin(), loop.carries, state.begin() + static_cast<std::ptrdiff_t>(loop.constants));
      for (size_t y = loop.carries; y < next.size(); ++y)
        given[static_cast<size_t>(at)].push_back(with_leading(next[y], {1}, 0));
    }
    Values outputs(state.begin() + static_cast<std::ptrdiff_t>(loop.constants), state.end());
    for (size_t y = 0; y < loop.stacked; ++y) {
      Values parts;
      for (const Values& one : given) parts.push_back(one[y]);
      outputs.push_back(concat(parts, 0));
    }
    return s.finish(outputs);
  }
};

}  // namespace

std::vector<Value> unrolled(GraphBuilder& b, const Attrs& attrs, std::span<const Value> operands) {
  const Scan scan(attrs);
  const Loop loop = loop_of(scan, operands.size());
  const int64_t n = loop.length.is_number() ? loop.length.number() : 0;
  const int64_t size = std::max<int64_t>(1, loop.body->node_count());
  const int64_t times = std::min({loop.unroll, n, std::max<int64_t>(1, most_nodes / size)});
  const auto plain = [&](std::shared_ptr<const Graph> body, Dim length, const Values& inputs) {
    return apply(b, Op::scan, inputs,
                 ScanAttrs{.body = std::move(body),
                           .length = length,
                           .counts = counts_of(loop),
                           .reverse = loop.reverse,
                           .memory = loop.memory});
  };
  if (times < 2) return plain(scan.body, loop.length, {operands.begin(), operands.end()});

  const int64_t rounds = n / times, rest = n - rounds * times;
  const int64_t main_start = loop.reverse ? rest : 0, rest_start = loop.reverse ? 0 : rounds * times;
  const size_t first_row = loop.constants + loop.carries;
  const auto fixed = operands.first(first_row);
  Values main_inputs(fixed.begin(), fixed.end());
  for (Value x : operands.subspan(first_row))
    main_inputs.push_back(with_leading(rows(x, main_start, rounds * times), {rounds, times}, 1));
  Values results = plain(Unrolled{loop, times}.body(), Dim(rounds), main_inputs);
  for (size_t y = loop.carries; y < results.size(); ++y) results[y] = with_leading(results[y], {rounds * times}, 2);
  if (rest == 0) return results;

  Values rest_inputs(operands.begin(), operands.begin() + static_cast<std::ptrdiff_t>(loop.constants));
  rest_inputs.insert(rest_inputs.end(), results.begin(), results.begin() + static_cast<std::ptrdiff_t>(loop.carries));
  for (Value x : operands.subspan(first_row)) rest_inputs.push_back(rows(x, rest_start, rest));
  Values last = plain(scan.body, Dim(rest), rest_inputs);
  for (size_t y = loop.carries; y < last.size(); ++y) {
    const Value parts[] = {loop.reverse ? last[y] : results[y], loop.reverse ? results[y] : last[y]};
    last[y] = concat(parts, 0);
  }
  return last;
}

}  // namespace tenon::passes
