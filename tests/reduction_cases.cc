// Cases of reductions and contractions: extents around the blocks of the contract's trees, rows and columns, several groups.
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
  // Rounding shows when magnitudes are alike.
  Value operator()(std::vector<int64_t> shape, Domain domain = Domain::unit) {
    return c.input(random_array(type_of(t, std::move(shape)), random, domain));
  }
  Value special(std::vector<int64_t> shape) {
    return c.input(special_array(type_of(t, std::move(shape)), random, Domain::any, 1));
  }
};

using Sizes = std::vector<int64_t>;
struct Reduced {
  Sizes shape, axes;
};
const Reduced reduced[] = {
    {{}, {}},
    {{1}, {0}},
    {{5}, {0}},
    {{16}, {0}},
    {{17}, {0}},
    {{67}, {0}},
    {{512}, {0}},
    {{513}, {0}},
    {{1537}, {0}},
    {{5000}, {0}},
    {{0}, {0}},
    {{3, 67}, {1}},
    {{3, 67}, {0}},
    {{3, 67}, {0, 1}},
    {{67, 5}, {0}},
    {{64, 3}, {0}},
    {{130, 19}, {0}},
    {{300, 2}, {0}},
    {{5, 4, 3}, {0, 2}},
    {{5, 4, 3}, {1}},
    {{2, 3, 40}, {0, 1}},
    {{0, 3}, {0}},
    {{3, 0}, {0}},
    {{3, 0}, {1}},
    {{2, 70, 3, 5}, {1, 3}},
    {{7, 1, 5}, {0, 2}},
    {{33, 2}, {1}},  // rows of a few elements, many of them
    {{64, 3}, {1}},
    {{37, 8}, {1}},
    {{300, 16}, {1}},
    {{40, 2, 5}, {1, 2}},
};

void add_dot(CaseBuilder& c, Inputs& in, Sizes lhs, Sizes rhs, Sizes lb, Sizes rb, Sizes lc, Sizes rc) {
  c.output(
      dot_general(in(std::move(lhs)), in(std::move(rhs)), std::move(lb), std::move(rb), std::move(lc), std::move(rc)));
}

void add_convolution(CaseBuilder& c, Inputs& in, Sizes x, Sizes kernel, Sizes stride, Sizes low, Sizes high, Sizes ld,
                     Sizes rd, int64_t groups) {
  c.output(apply(c.builder, Op::convolution, std::vector{in(std::move(x)), in(std::move(kernel))},
                 {Attr::of(std::move(stride)), Attr::of(std::move(low)), Attr::of(std::move(high)),
                  Attr::of(std::move(ld)), Attr::of(std::move(rd)), Attr::of(Sizes{groups})})[0]);
}

}  // namespace

void reduction_cases(Op op, DType t, std::vector<Case>& cases) {
  const std::string name = std::string(def(op).name) + " " + std::string(tenon::name(t));
  CaseBuilder c(name);
  Inputs in(c, op, t);
  const bool running = def(op).nest != nullptr;
  for (const Reduced& r : reduced) {
    if (running) {
      for (int64_t axis : r.axes)
        for (int64_t reversed : {0, 1})
          c.output(
              apply(c.builder, op, std::vector{in(r.shape)}, {Attr::of(Sizes{axis}), Attr::of(Sizes{reversed})})[0]);
      if (r.axes.size() == 1 && r.shape.size() < 3)
        c.output(apply(c.builder, op, std::vector{in.special(r.shape)}, {Attr::of(r.axes), Attr::of(Sizes{0})})[0]);
      continue;
    }
    const bool arg = op == Op::argmax || op == Op::argmin;
    if (arg && (r.axes.size() != 1 || r.shape[r.axes[0]] == 0)) continue;
    c.output(reduce(op, in(r.shape), r.axes));
    if (r.shape.size() < 3) c.output(reduce(op, in.special(r.shape), r.axes));
  }
  if (running) c.output(apply(c.builder, op, std::vector{in({9001})}, {Attr::of(Sizes{0}), Attr::of(Sizes{0})})[0]);
  cases.push_back(c.finish());

  if (op == Op::reduce_max && is_floating(t)) {  // rows that several reductions and what is as wide as they share
    CaseBuilder r(name + ", softmax of short rows");
    Inputs in_rows(r, op, t);
    for (const Sizes& shape : std::vector<Sizes>{{45, 2}, {64, 3}, {300, 7}, {33, 16}, {6, 11, 12}}) {
      const int64_t last = std::ssize(shape) - 1;
      Sizes outer;
      for (int64_t a = 0; a < last; ++a) outer.push_back(a);
      const Value x = in_rows(shape);
      const auto wide = [&](Value v) { return broadcast(v, x.shape(), outer); };
      const Value e = exp(x - wide(reduce(Op::reduce_max, x, {last})));
      r.output(e / wide(reduce(Op::reduce_sum, e, {last})));
      r.output(reduce(Op::argmax, x, {last}));
    }
    cases.push_back(r.finish());
  }

  // Long ones with few results are dealt to threads as partial results.
  if (!running && (t == DType::f32 || t == DType::bf16 || t == DType::i32 || t == DType::boolean)) {
    CaseBuilder l(name + ", long");
    Inputs in_long(l, op, t);
    l.output(reduce(op, in_long({70001}), {0}));
    l.output(reduce(op, in_long({3, 40000}), {1}));
    l.output(reduce(op, in_long({5000, 3}), {0}));
    l.output(reduce(op, in_long({2, 9000, 2}), {1}));
    cases.push_back(l.finish());
  }

  CaseBuilder s(name + ", [m, n]");  // the same order when the extents are known late
  const Dim m = s.builder.symbols().add("m", 1), n = s.builder.symbols().add("n", 1);
  const Value x = s.symbolic_input({t, Shape{m, n}});
  for (const Sizes& axes : std::vector<Sizes>{{0}, {1}, {0, 1}}) {
    if (axes.size() == 1 && running)
      s.output(apply(s.builder, op, std::vector{x}, {Attr::of(axes), Attr::of(Sizes{0})})[0]);
    else if (!running && (axes.size() == 1 || (op != Op::argmax && op != Op::argmin)))
      s.output(reduce(op, x, axes));
  }
  if (op == Op::reduce_sum) {  // one pass over the same elements, in two orders
    const Value column = s.symbolic_input({t, Shape{m, Dim(1)}});
    const Value all = reduce(op, column, {0, 1});
    s.output(reduce(op, column, {0}) - broadcast(all, {1}, {}));
  }
  const Case whole = s.finish();
  for (const Sizes& shape : std::vector<Sizes>{{1, 1}, {3, 17}, {65, 3}, {129, 2}, {2, 600}, {5, 1040}}) {
    std::vector<Array> inputs{random_array(type_of(t, shape), in.random, Domain::unit)};
    if (op == Op::reduce_sum) inputs.push_back(random_array(type_of(t, {shape[0], 1}), in.random, Domain::unit));
    cases.push_back({name + " " + to_string(Shape::from(shape)), whole.graph, inputs, NaNs::one_value});
  }
}

void contraction_cases(Op op, DType t, std::vector<Case>& cases) {
  const std::string name = std::string(def(op).name) + " " + std::string(tenon::name(t));
  CaseBuilder c(name);
  Inputs in(c, op, t);
  if (op == Op::dot_general) {
    add_dot(c, in, {3, 5}, {5, 4}, {}, {}, {1}, {0});
    add_dot(c, in, {1, 1}, {1, 1}, {}, {}, {1}, {0});
    add_dot(c, in, {17, 65}, {65, 33}, {}, {}, {1}, {0});
    add_dot(c, in, {65, 17}, {33, 65}, {}, {}, {0}, {1});
    add_dot(c, in, {40, 100}, {100, 70}, {}, {}, {1}, {0});
    add_dot(c, in, {67}, {67}, {}, {}, {0}, {0});
    add_dot(c, in, {5, 67}, {67}, {}, {}, {1}, {0});
    add_dot(c, in, {67}, {67, 5}, {}, {}, {0}, {0});
    add_dot(c, in, {5}, {7}, {}, {}, {}, {});
    add_dot(c, in, {3, 0}, {0, 4}, {}, {}, {1}, {0});
    add_dot(c, in, {0, 5}, {5, 4}, {}, {}, {1}, {0});
    add_dot(c, in, {2, 9000}, {9000, 3}, {}, {}, {1}, {0});
    // a few columns, whose lanes are rows: rows and steps that fill no square, segments
    add_dot(c, in, {37, 45}, {45}, {}, {}, {1}, {0});
    add_dot(c, in, {16, 64}, {64, 8}, {}, {}, {1}, {0});
    add_dot(c, in, {3, 18, 33}, {3, 33, 5}, {0}, {0}, {2}, {1});
    add_dot(c, in, {17, 9001}, {9001, 2}, {}, {}, {1}, {0});
    add_dot(c, in, {2, 3, 5}, {2, 5, 4}, {0}, {0}, {2}, {1});
    add_dot(c, in, {3, 2, 5}, {4, 5, 2}, {1}, {2}, {2}, {1});
    add_dot(c, in, {3, 4, 5}, {4, 5, 2}, {}, {}, {1, 2}, {0, 1});
    add_dot(c, in, {2, 3, 4, 5}, {3, 2, 5}, {0, 1}, {1, 0}, {3}, {2});
    cases.push_back(c.finish());
    CaseBuilder s(name + ", [m, k] x [k, n]");
    const Dim m = s.builder.symbols().add("m"), k = s.builder.symbols().add("k"), n = s.builder.symbols().add("n");
    const Value lhs = s.symbolic_input({t, Shape{m, k}}), rhs = s.symbolic_input({t, Shape{k, n}});
    s.output(dot_general(lhs, rhs, {}, {}, {1}, {0}));
    const Case whole = s.finish();
    for (const Sizes& size :
         std::vector<Sizes>{{1, 1, 1}, {3, 17, 5}, {6, 64, 64}, {13, 7, 130}, {2, 4100, 3}, {4, 0, 3}, {0, 3, 2}})
      cases.push_back({name + " " + to_string(Shape::from(size)),
                       whole.graph,
                       {random_array(type_of(t, {size[0], size[1]}), in.random, Domain::unit),
                        random_array(type_of(t, {size[1], size[2]}), in.random, Domain::unit)},
                       NaNs::one_value});
    return;
  }
  add_convolution(c, in, {2, 9, 3}, {3, 3, 4}, {1}, {0}, {0}, {1}, {1}, 1);
  add_convolution(c, in, {1, 9, 3}, {3, 3, 4}, {2}, {1}, {2}, {1}, {2}, 1);
  add_convolution(c, in, {1, 5, 2}, {3, 2, 3}, {1}, {2}, {2}, {2}, {1}, 1);
  add_convolution(c, in, {2, 7, 6, 4}, {3, 2, 2, 6}, {1, 2}, {1, 0}, {1, 1}, {1, 1}, {1, 1}, 2);
  add_convolution(c, in, {1, 5, 5, 1}, {3, 3, 1, 1}, {1, 1}, {-1, 1}, {1, 1}, {1, 1}, {1, 1}, 1);
  add_convolution(c, in, {1, 2, 3}, {5, 3, 2}, {1}, {0}, {0}, {1}, {1}, 1);  // the kernel does not fit: no results
  // Positions side by side: blocks and what is left of them; more features than a block; some positions outside at either end, at
  // both (the kernel is wider than the input), all of them; positions of the batch; a dilated input; groups, one for each channel.
  add_convolution(c, in, {2, 29, 3}, {3, 3, 5}, {1}, {1}, {1}, {1}, {1}, 1);
  add_convolution(c, in, {1, 40, 2}, {7, 2, 4}, {2}, {3}, {3}, {1}, {1}, 1);
  add_convolution(c, in, {1, 20, 2}, {5, 2, 70}, {1}, {2}, {2}, {1}, {1}, 1);
  add_convolution(c, in, {1, 8, 2}, {17, 2, 3}, {1}, {8}, {8}, {1}, {1}, 1);
  add_convolution(c, in, {1, 24, 2}, {3, 2, 3}, {1}, {20}, {9}, {1}, {4}, 1);
  add_convolution(c, in, {9, 3, 2}, {2, 2, 3}, {1}, {0}, {0}, {1}, {1}, 1);
  add_convolution(c, in, {1, 15, 2}, {3, 2, 3}, {1}, {2}, {2}, {2}, {1}, 1);
  add_convolution(c, in, {1, 15, 2}, {4, 2, 3}, {2}, {1}, {3}, {3}, {1}, 1);
  add_convolution(c, in, {1, 25, 2}, {3, 2, 3}, {4}, {-1}, {1}, {2}, {2}, 1);
  add_convolution(c, in, {1, 18, 6}, {3, 2, 6}, {1}, {1}, {0}, {1}, {1}, 3);
  add_convolution(c, in, {1, 4, 20, 16}, {3, 3, 1, 16}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, 16);
  add_convolution(c, in, {2, 5, 30, 4}, {2, 3, 4, 17}, {2, 1}, {1, 0}, {0, 2}, {1, 1}, {1, 1}, 1);
  // several vectors of features: positions in blocks and what is left of them, images, rows of taps in chunks
  add_convolution(c, in, {1, 31, 3}, {3, 3, 64}, {1}, {1}, {1}, {1}, {1}, 1);
  add_convolution(c, in, {2, 4, 17, 5}, {3, 3, 5, 32}, {1, 2}, {1, 1}, {1, 1}, {1, 1}, {2, 1}, 1);
  add_convolution(c, in, {17, 3, 5}, {2, 5, 48}, {1}, {1}, {0}, {1}, {1}, 1);
  add_convolution(c, in, {5, 13, 400}, {13, 400, 32}, {1}, {1}, {1}, {1}, {1}, 1);
  add_convolution(c, in, {3, 20, 300}, {9, 300, 24}, {2}, {2}, {1}, {1}, {2}, 1);
  add_convolution(c, in, {2, 21, 42, 16}, {20, 40, 8, 2}, {1, 1}, {0, 1}, {0, 0}, {1, 1}, {1, 1}, 2);
  cases.push_back(c.finish());
  channels_first_cases(op, t, cases);
}

}  // namespace tenon::testing
