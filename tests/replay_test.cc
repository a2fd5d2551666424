// Loops of unknown length on the way back, at the level of graphs: where a forward run keeps its states, and that a replay by
// marks, for any number of them, gives what one gives that keeps all.
#include <gtest/gtest.h>

#include <map>

#include "tenon/ir/reference/array.h"
#include "tenon/ir/rules/replay.h"
#include "tenon/passes/pass.h"

namespace tenon::testing {
namespace {

using namespace ir;

const Type number{DType::i64, {}}, real{DType::f64, {}};

Array integer(int64_t n) {
  Array a(number);
  a.as<int64_t>()[0] = n;
  return a;
}
Array floating(double x) {
  Array a(real);
  a.as<double>()[0] = x;
  return a;
}

template <class Body>
std::shared_ptr<const Graph> graph_of(const std::vector<Type>& types, Body body) {
  GraphBuilder b;
  std::vector<Value> inputs;
  for (const Type& type : types) inputs.push_back({&b, b.input(type)});
  std::vector<ValueId> outputs;
  for (Value v : body(b, std::span<const Value>(inputs))) outputs.push_back(v.id);
  return b.finish(outputs);
}

// Every iteration that the level's stride divides is where slot_of_mark says, whenever the loop ends.
TEST(Replay, MarksStayWhereTheyAreAndNeverMeet) {
  for (const int64_t total : {4, 6, 12, 16, 24, 40, 80}) {
    const rules::Slots slots = rules::slots_of(total);
    ASSERT_EQ(slots.regular, int64_t{1} << slots.bits);
    ASSERT_EQ(slots.regular + slots.own, total);
    Type rows = number;
    rows.shape.push_back(Dim(slots.regular + 1));
    const auto step = graph_of({number, number, rows, number}, [&](GraphBuilder&, std::span<const Value> in) {
      const rules::Marks next = rules::next_marks({in[0], in[1], {in[2]}}, in.subspan(3), slots);
      return std::vector<Value>{next.iteration, next.level, next.buffers[0]};
    });
    const auto slot = graph_of({number, number}, [&](GraphBuilder&, std::span<const Value> in) {
      return std::vector<Value>{rules::slot_of_mark(in[0], in[1], slots)};
    });
    std::vector<Array> marks = {integer(0), integer(0), Array(rows)};
    for (int64_t& at : std::span(marks[2].as<int64_t>(), static_cast<size_t>(slots.regular + 1))) at = -1;
    for (int64_t t = 0; t < 9 * slots.regular; ++t) {
      std::vector<Array> inputs = marks;
      inputs.push_back(integer(t));  // the state of an iteration is its number
      marks = interpret(*step, inputs);
      const int64_t level = marks[1].as<int64_t>()[0], stride = int64_t{1} << level;
      ASSERT_LE(t / stride, slots.regular - 1);
      for (int64_t m = 0; m * stride <= t; ++m) {
        const auto row =
            static_cast<size_t>(interpret(*slot, std::vector{integer(m), integer(level)})[0].as<int64_t>()[0]);
        ASSERT_LT(static_cast<int64_t>(row), slots.regular);
        ASSERT_EQ(marks[2].as<int64_t>()[row], m * stride) << "mark " << m << " of level " << level << " after " << t;
      }
    }
  }
}

// shared k; own w; states i, x; carry c:  x' = x * k + i;  c' = c * w + x
struct Recurrence {
  std::shared_ptr<const Graph> advance = graph_of({real, number, real}, [](GraphBuilder&, std::span<const Value> in) {
    return std::vector<Value>{in[1] + 1, in[2] * in[0] + cast(in[1], DType::f64)};
  });
  std::shared_ptr<const Graph> body =
      graph_of({real, real, number, real, real},
               [](GraphBuilder&, std::span<const Value> in) { return std::vector<Value>{in[4] * in[1] + in[3]}; });
  Attrs attrs(bool reverse) const {
    return ReplayAttrs{.advance = advance, .body = body, .counts = {1, 1, 2, 1}, .reverse = reverse};
  }
};

TEST(Replay, LoopsGiveWhatKeepingAllGives) {
  const Recurrence r;
  const std::vector<Type> types = {number, real, real, number, real, real};
  for (const bool reverse : {false, true}) {
    const auto whole = graph_of(
        types, [&](GraphBuilder& b, std::span<const Value> in) { return apply(b, Op::replay, in, r.attrs(reverse)); });
    for (const int64_t total : {4, 5, 9, 16, 300}) {
      const auto loops = graph_of(types, [&](GraphBuilder& b, std::span<const Value> in) {
        return rules::replay_loops(b, r.attrs(reverse), in, rules::slots_of(total));
      });
      EXPECT_TRUE(verify(*loops).empty());
      for (const int64_t count : {0, 1, 2, 3, 4, 5, 7, 8, 16, 31, 100, 257}) {
        const std::vector inputs = {integer(count), floating(0.97), floating(1.01),
                                    integer(3),     floating(0.5),  floating(2)};
        EXPECT_EQ(interpret(*loops, inputs)[0].data, interpret(*whole, inputs)[0].data)
            << (reverse ? "backward" : "forward") << ", " << total << " slots, " << count << " iterations";
      }
    }
  }
}

// y = x; while y < limit: y = y * y * k.   The gradient by x and k, from the loop and from the same ops written out.
TEST(Replay, GradientOfAWhileLoopIsThatOfTheOpsWrittenOut) {
  const auto square = [](Value y, Value k) { return y * y * k; };
  for (const int64_t memory : {1, 1000, 20000}) {
    const auto looped = graph_of({real, real, real}, [&](GraphBuilder& b, std::span<const Value> in) {
      const auto condition = graph_of({real, real, real}, [](GraphBuilder&, std::span<const Value> s) {
        return std::vector<Value>{lt(s[2], s[1])};
      });
      const auto body = graph_of({real, real, real}, [&](GraphBuilder&, std::span<const Value> s) {
        return std::vector<Value>{square(s[2], s[0])};
      });
      const Value operands[] = {in[1], in[2], in[0]};
      return apply(b, Op::while_loop, operands,
                   WhileLoopAttrs{.condition = condition, .body = body, .counts = {2}, .memory = memory});
    });
    for (const auto& [limit, rounds] : std::map<double, int>{{1.0, 0}, {1.3, 1}, {100, 5}, {1e30, 9}, {1e300, 12}}) {
      const auto written = graph_of({real, real, real}, [&, n = rounds](GraphBuilder&, std::span<const Value> in) {
        Value y = in[0];
        for (int i = 0; i < n; ++i) y = square(y, in[1]);
        return std::vector<Value>{y};
      });
      const std::vector inputs = {floating(1.25), floating(0.95), floating(limit)};
      const std::vector<bool> active = {true, true, false};
      const auto a = interpret(*passes::value_and_grad(*looped, active), inputs),
                 b = interpret(*passes::value_and_grad(*written, active), inputs),
                 c = interpret(*passes::optimize(*passes::value_and_grad(*looped, active)), inputs);
      for (size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(a[i].data, b[i].data) << "result " << i << ", limit " << limit << ", memory " << memory;
        EXPECT_EQ(c[i].data, b[i].data) << "result " << i << ", limit " << limit << ", memory " << memory << ", loops";
      }
    }
  }
}

}  // namespace
}  // namespace tenon::testing
