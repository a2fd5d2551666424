// What fusion makes of known programs: how many kernels, of which kind, with which scratch; the reasons it gives; its cost
// on long graphs.
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <functional>

#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/graph/build.h"
#include "tenon/passes/pass.h"

namespace tenon::passes {
namespace {

using namespace ir;

struct Built {
  GraphBuilder b;
  Value input(Shape shape, DType t = f32) { return {&b, b.input({t, std::move(shape)})}; }
  Program program(const std::vector<Value>& outputs, bool fuse = true) {
    std::vector<ValueId> ids;
    for (Value v : outputs) ids.push_back(v.id);
    Options options;
    options.fuse = fuse;
    Program p = build_program(*b.finish(ids), Target::portable(), options);
    EXPECT_EQ(check_buffers(p), std::vector<std::string>{}) << p.text();
    return p;
  }
};

Value over_rows(Value narrow, Shape shape) {
  std::vector<int64_t> axes;
  for (int i = 0; i < narrow.shape().rank(); ++i) axes.push_back(i);
  return broadcast(narrow, shape, axes);
}
Value softmax(Value x) {
  const Shape s = x.shape();
  const int64_t last = s.rank() - 1;
  const Value e = exp(x - over_rows(reduce(Op::reduce_max, x, {last}), s));
  const Value sum = reduce(Op::reduce_sum, e, {last});
  return e * over_rows(like(sum, 1) / sum, s);
}

std::string kinds(const Program& p) {
  std::string text;
  for (const KernelNote& note : p.notes) text += (text.empty() ? "" : " ") + note.kind;
  return text;
}
size_t scratches(const Kernel& k) {
  return static_cast<size_t>(std::count_if(k.buffers.begin(), k.buffers.end(),
                                           [](const KernelBuffer& b) { return b.space == Space::scratch; }));
}
bool has_reason(const Program& p, const std::string& part) {
  return std::any_of(p.not_fused.begin(), p.not_fused.end(),
                     [&](const FusionNote& n) { return n.reason.find(part) != std::string::npos; });
}

TEST(Fuse, ChainsOverOneSpaceAreOneFlatLoop) {
  Built g;
  const Value x = g.input({30, 50}), y = g.input({30, 50});
  Value z = x;
  for (int i = 0; i < 8; ++i) z = i % 2 ? z * y : z + y;
  const Program p = g.program({z, z + x});
  ASSERT_EQ(kinds(p), "map");
  EXPECT_EQ(p.kernels[0].buffers[0].shape, (Shape{1500})) << p.text();
}

TEST(Fuse, MergesBranchesThatMeetLater) {
  Built g;
  const Value x = g.input({64}), y = g.input({64});
  EXPECT_EQ(kinds(g.program({exp(x) + exp(y)})), "map");
}

TEST(Fuse, SoftmaxIsOneKernelThatKeepsExp) {
  Built g;
  const Program p = g.program({softmax(g.input({4, 6, 512}))});
  ASSERT_EQ(kinds(p), "row") << p.text();
  EXPECT_EQ(scratches(p.kernels[0]), 1u);
  EXPECT_EQ(p.kernels[0].buffers.back().shape, (Shape{24, 512})) << p.text();
}

TEST(Fuse, LongRowsAreComputedAgainInsteadOfKept) {
  Built g;
  const Program p = g.program({softmax(g.input({4, 1 << 20}))});
  size_t kept = 0;
  for (const Kernel& k : p.kernels) kept += scratches(k);
  EXPECT_EQ(kept, 0u);
}

TEST(Fuse, LayerNormIsOneKernel) {
  Built g;
  const Shape s{128, 512};
  const Value x = g.input(s), gain = g.input({512}), bias = g.input({512});
  const Value mean = reduce(Op::reduce_sum, x, {1});
  const Value d = x - over_rows(mean * like(mean, 1.0 / 512), s);
  const Value variance = reduce(Op::reduce_sum, d * d, {1});
  const Value scaled = d * over_rows(rsqrt(variance * like(variance, 1.0 / 512) + like(variance, 1e-5)), s);
  EXPECT_EQ(kinds(g.program({scaled * broadcast(gain, s, {1}) + broadcast(bias, s, {1})})), "row");
}

TEST(Fuse, ContractionsTakeWhatFollowsThem) {
  Built g;
  const Value x = g.input({128, 784}), w = g.input({784, 512}), bias = g.input({512}), v = g.input({512, 10});
  const Value z = dot_general(x, w, {}, {}, {1}, {0}) + broadcast(bias, Shape{128, 512}, {1});
  const Program p = g.program({dot_general(max(z, like(z, 0)), v, {}, {}, {1}, {0})});
  EXPECT_EQ(kinds(p), "contract contract");
  EXPECT_TRUE(has_reason(p, "contractions"));
}

TEST(Fuse, CastsAreDoneWhilePacking) {
  Built g;
  const Value x = g.input({64, 32}, bf16), w = g.input({32, 16});
  EXPECT_EQ(kinds(g.program({dot_general(cast(x, f32), w, {}, {}, {1}, {0})})), "contract");
}

TEST(Fuse, LongReductionsAreSplitOnceForAllThreads) {
  Built g;
  const Value x = g.input({1024, 1024}), y = g.input({1024, 1024});
  const Program p = g.program({reduce(Op::reduce_sum, exp(x) * y, {0, 1})});
  ASSERT_EQ(kinds(p), "row row");
  EXPECT_EQ(p.kernels[0].buffers.size(), 3u) << "both inputs and the partial sums, nothing else: " << p.text();
}

TEST(Fuse, ColumnReductionsOverOneSpaceShareAKernel) {
  Built g;
  const Value x = g.input({128, 512}), y = g.input({128, 512});
  EXPECT_EQ(kinds(g.program({reduce(Op::reduce_sum, x * y, {0}), reduce(Op::reduce_sum, exp(x), {0})})), "column");
}

TEST(Fuse, AnUpdateOfManyTensorsIsOneKernel) {
  Built g;
  const Shape s{784, 512};
  const Value p = g.input(s), m = g.input(s), v = g.input(s), grad = g.input(s), t = g.input({});
  const Value m2 = m * like(m, 0.9) + grad * like(grad, 0.1), v2 = v * like(v, 0.999) + grad * grad * like(grad, 0.001);
  const Value c = like(t, 1) - pow(like(t, 0.9), t);
  const Program program = g.program({p - m2 / broadcast_to(c, s) / (sqrt(v2) + like(p, 1e-8)), m2, v2});
  EXPECT_EQ(kinds(program), "map map") << program.text();
  EXPECT_TRUE(has_reason(program, "a single number"));
}

TEST(Fuse, DearValuesAreNotComputedForEveryReader) {
  Built g;
  const Value x = g.input({512}), y = g.input({300, 512});
  const Program p = g.program({broadcast(exp(x), Shape{300, 512}, {1}) * y});
  EXPECT_EQ(kinds(p), "map map");
  EXPECT_TRUE(has_reason(p, "would recompute exp 300 times")) << p.text();
  Built h;  // standing outside the inner loop, it is computed once anyway
  const Value r = h.input({300}), z = h.input({300, 512});
  EXPECT_EQ(kinds(h.program({over_rows(exp(r), Shape{300, 512}) * z})), "map");
}

// The reason of the only edge of a program that stays.
std::string only_reason(const Program& p) {
  EXPECT_EQ(p.not_fused.size(), 1u) << p.text();
  return p.not_fused.empty() ? "" : p.not_fused[0].reason;
}

TEST(Fuse, ReasonsAreThoseOfTheDecision) {
  Built several;  // a long reduction could take in what it reads, were that not an output too
  const Value x = several.input({1024, 1024}), e = exp(x);
  EXPECT_EQ(only_reason(several.program({e, reduce(Op::reduce_sum, e, {0, 1})})),
            "the value is stored for several readers");

  Built packed;  // not its last op is dear, but the group that would move
  const Value y = packed.input({64, 32}), w = packed.input({32, 16});
  EXPECT_EQ(only_reason(packed.program({dot_general(exp(y) + y, w, {}, {}, {1}, {0})})),
            "packing the contraction would compute add more than once");

  Built kept;  // a barrier, before anything else that might be said
  const Value k = kept.input({300, 300});
  const Value operands[] = {exp(k)};
  const Value held = apply(kept.b, Op::barrier, operands, {})[0];
  EXPECT_EQ(only_reason(kept.program({transpose(held, {1, 0}) + k})),
            "producer is a barrier that shares its operand's buffer");
}

TEST(Fuse, TransposesFoldIntoReads) {
  Built g;
  const Value x = g.input({20, 30}), y = g.input({30, 20});
  EXPECT_EQ(kinds(g.program({transpose(x + like(x, 1), {1, 0}) * y})), "map");
}

TEST(Fuse, ConvolutionsGoByTheTranspositionsBesideThem) {
  const auto kinds_of = [](int64_t groups, bool front, bool behind, bool twice = false) {
    Built g;
    const Value x = front ? move_axis(g.input({2, 32, 9, 20}), 1, 3) : g.input({2, 9, 20, 32});
    const Value operands[] = {x, g.input({3, 3, 32 / groups, 32})};
    const Value y = apply(g.b, Op::convolution, operands,
                          ConvolutionAttrs{.strides = {1, 1},
                                           .low = {1, 1},
                                           .high = {1, 1},
                                           .lhs_dilation = {1, 1},
                                           .rhs_dilation = {1, 1},
                                           .groups = groups})[0];
    const Value z = behind ? move_axis(y, 3, 1) : y;
    return kinds(g.program(twice ? std::vector{z, y} : std::vector{z}));
  };
  for (const bool front : {false, true})
    for (const bool behind : {false, true}) EXPECT_EQ(kinds_of(1, front, behind), "nest");
  EXPECT_EQ(kinds_of(1, true, true, true), "nest map");  // another reads the result as it is
  EXPECT_EQ(kinds_of(32, true, true), "nest");
  EXPECT_EQ(kinds_of(32, true, false), "map nest");  // lanes are positions only where both lie so
  EXPECT_EQ(kinds_of(32, false, true), "nest map");
}

TEST(Fuse, ScansOfNumbersAreOneLoop) {
  Built g;
  const Value start = g.input({3}), xs = g.input({100});
  GraphBuilder body("body");
  const Value c{&body, body.input({f32, Shape{3}})}, x{&body, body.input({f32, Shape{}})};
  const Value parts[] = {slice(c, {1}, {2}, {1}), slice(c, {0}, {1}, {1})};
  const Value next = concat(parts, 0) * broadcast_to(x, Shape{3});
  const ValueId outputs[] = {next.id, next.id};
  const Value operands[] = {start, xs};
  const std::vector<Value> r = apply(g.b, Op::scan, operands,
                                     {Attr::of(body.finish(outputs)), Attr::of(std::vector<Dim>{100}),
                                      Attr::of(std::vector<int64_t>{0, 1}), Attr::of(std::vector<int64_t>{0})});
  const Program p = g.program(r);
  ASSERT_EQ(p.kernels.size(), 1u) << p.text();
  ASSERT_EQ(p.steps.size(), 1u);
  EXPECT_EQ(p.steps[0].kind, StepKind::launch);
}

size_t instructions(const Program& p) {
  size_t n = 0;
  for (const Kernel& k : p.kernels) n += k.instructions.size();
  return n;
}

// A step reads what the step before it made at two or three places, which are other places each time.
Program turned(int steps, const std::function<Value(Value)>& turn) {
  Built g;
  Value h = g.input({64});
  const Value w = g.input({64});
  for (int i = 0; i < steps; ++i) h = h * w + turn(h) * like(h, 0.5);
  return g.program({h});
}

TEST(Fuse, ChainsThatAreReadAtSeveralPlacesAreCut) {
  const std::function<Value(Value)> turns[] = {
      [](Value h) { return reverse(h, {0}); },
      [](Value h) {
        return pad(slice(h, {1}, {63}, {1}), like(reshape(slice(h, {0}, {1}, {1}), Shape{}), 0), {0}, {1}, {0});
      },
      [](Value h) {
        const Value parts[] = {slice(h, {1}, {63}, {1}), slice(h, {0}, {1}, {1})};
        return concat(parts, 0);
      }};
  for (const auto& turn : turns) {
    const Program some = turned(24, turn), twice = turned(48, turn);
    EXPECT_LE(instructions(twice), 5 * instructions(some) / 2) << "24 steps take " << instructions(some);
    EXPECT_LE(twice.steps.size(), 5 * some.steps.size() / 2 + 1);
    EXPECT_LE(instructions(some), 24u * 40);
    EXPECT_TRUE(has_reason(twice, "kernel is full"));
  }
}

TEST(Fuse, ManySmallMapsStandSideBySide) {
  Built g;
  const Value x = g.input({16});
  std::vector<Value> many;
  for (int i = 0; i < 500; ++i) many.push_back(x * like(x, i + 2));
  EXPECT_EQ(g.program(many).steps.size(), 16u) << "32 results a kernel";
  Built h;
  std::vector<Value> few;
  for (int i = 0; i < 8; ++i) few.push_back(exp(h.input({16})));
  EXPECT_EQ(h.program(few).steps.size(), 8u);
  Built k;
  const Value z = k.input({1 << 16});
  std::vector<Value> large;
  for (int i = 0; i < 20; ++i) large.push_back(z * like(z, i + 2));
  EXPECT_EQ(k.program(large).steps.size(), 20u) << "large maps keep a kernel each";
}

TEST(Fuse, LongConstantsAreDataNotCode) {
  Built g;
  const int64_t n = 20000;
  std::string raw(static_cast<size_t>(n) * 4, '\0');
  for (size_t i = 0; i < raw.size(); ++i) raw[i] = static_cast<char>(i * 31 % 63);
  const auto table = [&] {
    const Attrs attrs = ConstantAttrs{.dtype = f32, .shape = {Dim(n)}, .value = raw};
    return Value{&g.b, g.b.add(Op::constant, {}, attrs)};
  };
  const Value x = g.input({n}), c = table();
  const Program p = g.program({x * c, reverse(c, {0}), c});
  ASSERT_EQ(p.constants.size(), 1u) << "equal constants are one";
  EXPECT_LT(instructions(p), 60u) << p.text();
  EXPECT_TRUE(p.constants[0] == raw);
  for (const Step& s : p.steps) EXPECT_NE(s.kind, StepKind::custom);
}

TEST(Fuse, OffMeansOneOpAKernel) {
  Built g;
  const Value x = g.input({64});
  const Program p = g.program({exp(x) * x + x}, false);
  EXPECT_EQ(kinds(p), "map map map");
  EXPECT_TRUE(has_reason(p, "fusion is off"));
}

// A graph of three ops over vectors, for the body of each form of control flow.
std::shared_ptr<const Graph> three_ops(int64_t size, bool scanned) {
  GraphBuilder body("body");
  const Value c{&body, body.input({f32, Shape{size}})};
  const Value x = scanned ? Value{&body, body.input({f32, Shape{}})} : Value{};
  const Value next = exp(c) * c + (scanned ? broadcast_to(x, Shape{size}) : c);
  const ValueId outputs[] = {next.id};
  return body.finish(outputs);
}
std::vector<Value> three_ops_in(Op op, Built& g, int64_t size) {
  const Value start = g.input({size});
  const auto list = [](std::vector<int64_t> v) { return Attr::of(std::move(v)); };
  if (op == Op::scan) {
    const Value operands[] = {start, g.input({100})};
    return apply(g.b, op, operands,
                 {Attr::of(three_ops(size, true)), Attr::of(std::vector<Dim>{100}), list({0, 1}), list({0})});
  }
  if (op == Op::cond) {
    const Value operands[] = {g.input({}, boolean), start};
    return apply(g.b, op, operands, {Attr::of(three_ops(size, false)), Attr::of(three_ops(size, false))});
  }
  GraphBuilder condition("condition");
  const Value c{&condition, condition.input({f32, Shape{size}})};
  const Value most = reduce(Op::reduce_max, exp(c), {0});
  const ValueId go[] = {lt(most, like(most, 100)).id};
  const Value operands[] = {start};
  return apply(g.b, op, operands, {Attr::of(condition.finish(go)), Attr::of(three_ops(size, false)), list({0})});
}
int launches(const std::vector<Step>& steps) {
  int count = 0;
  for (const Step& s : steps)
    count += (s.kind == StepKind::launch) + launches(s.condition) + launches(s.body) + launches(s.otherwise);
  return count;
}

TEST(Fuse, OffReachesTheBodiesOfLoopsAndBranches) {
  const auto count = [](Op op, int64_t size, bool fuse) {
    Built g;
    return launches(g.program(three_ops_in(op, g, size), fuse).steps);
  };
  EXPECT_EQ(count(Op::scan, 64, true), 1);
  EXPECT_EQ(count(Op::scan, 64, false), 4) << "exp, mul, add, and what repeats the scanned number";
  EXPECT_EQ(count(Op::scan, 3, true), 1) << "one loop over numbers";
  EXPECT_EQ(count(Op::scan, 3, false), 4) << "no loop over numbers, which is a fused kernel too";
  EXPECT_EQ(count(Op::cond, 64, true), 2);
  EXPECT_EQ(count(Op::cond, 64, false), 6);
  EXPECT_EQ(count(Op::while_loop, 64, true), 2);
  EXPECT_EQ(count(Op::while_loop, 64, false), 6);
}

TEST(Fuse, KernelsStayUnderTheirLimitAndLongGraphsLinear) {
  const auto seconds = [](int ops, size_t& kernels) {
    Built g;
    const Value x = g.input({1000});
    Value y = x;
    for (int i = 0; i < ops; ++i) y = i % 3 == 0 ? y * x : i % 3 == 1 ? y + like(y, i) : max(y, x);
    const ValueId out[] = {y.id};
    const auto graph = g.b.finish(out);
    const std::clock_t begin = std::clock();  // of this process: others may load the machine
    const FusionPlan plan = fuse(*graph, Target::portable());
    kernels = plan.groups.size();
    const auto most = static_cast<size_t>(Target::portable().fusion.kernel_ops);
    for (const Group& group : plan.groups) EXPECT_LE(group.nodes.size(), 7 * most / 3);  // and the constants they read
    return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  };
  size_t kernels = 0;
  seconds(3000, kernels);
  EXPECT_EQ(kernels, 3u);
  const double small = std::min(seconds(10000, kernels), seconds(10000, kernels));
  const double large = std::min(seconds(100000, kernels), seconds(100000, kernels));
  EXPECT_LT(large, small * 10 * 2.5) << "a quadratic pass would take a hundred times as long";
}

}  // namespace
}  // namespace tenon::passes
