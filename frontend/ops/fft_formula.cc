// The stages, Bluestein's convolution, and the transforms of real numbers through complex ones of half the length. A transform is a
// linear_solve, x being F b: so its transpose is the transform back, a program of its own kind, and not the transpose of its stages.
#include "tenon/frontend/ops/fft_formula.h"

#include "tenon/frontend/ops/rows.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/passes/rebuild.h"

namespace tenon::formula {
namespace {

Parts each(const Parts& x, Value (*f)(Value, const Shape&), const Shape& shape) {
  return {f(x.re, shape), f(x.im, shape)};
}
Parts reshaped(const Parts& x, const Shape& shape) { return each(x, ir::reshape, shape); }

// Reads a table from front to back.
struct Reader {
  Value table;
  int64_t at = 0;
  // count numbers along an axis of a shape.
  Parts next(int64_t count, const Shape& shape, int64_t axis) {
    const auto part = [&] {
      const Value run = formula::part(table, 0, at, count);
      at += count;
      return ir::broadcast(run, shape, {axis});
    };
    const Value re = part();
    return {re, part()};
  }
};

Parts turned_by(const Parts& x, const Parts& w) {
  return {fma(x.re, w.re, -(x.im * w.im)), fma(x.re, w.im, x.im * w.re)};
}

Parts swapped(const Parts& x) { return {x.im, x.re}; }

// Parts as they are, or real and imaginary ones exchanged: a transform between two exchanges is the inverse.
using Ends = Parts (*)(const Parts&);
Parts as_they_are(const Parts& x) { return x; }

// The runs of a stage one behind the other. Of a few a barrier makes runs in memory: else every element would ask for every run.
std::vector<Value> joined(std::vector<Value> runs, size_t count) {
  const size_t planes = runs.size() / count;
  ir::GraphBuilder& b = *runs[0].builder;
  if (count <= 4) runs = ir::apply(b, ir::Op::barrier, runs);
  std::vector<Value> result;
  for (size_t p = 0; p < planes; ++p) result.push_back(ir::concat(std::span(runs).subspan(p * count, count), 0));
  return count <= 4 ? ir::apply(b, ir::Op::barrier, result) : result;
}

// One stage: t[L, outer, s, inner] -> [r L, outer, s / r, inner]; the last one gives complex numbers.
Parts stage(const Parts& t, int64_t r, Reader& roots, Ends last) {
  const Shape from = t.re.shape();
  const int64_t length = from[0].number(), rest = from[2].number() / r;
  const Shape split = {from[0], from[1], Dim(r), Dim(rest), from[3]}, part = {from[0], from[1], Dim(rest), from[3]};
  const Parts all = reshaped(t, split);
  std::vector<Parts> x;
  for (int64_t j = 0; j < r; ++j) {
    const Parts own = {ir::reshape(formula::part(all.re, 2, j, 1), part),
                       ir::reshape(formula::part(all.im, 2, j, 1), part)};
    x.push_back(j == 0 || length == 1 ? own : turned_by(own, roots.next(length, part, 0)));
  }
  x = butterfly(x);
  std::vector<Value> runs;
  if (last != nullptr) {  // complex numbers already where they end
    for (const Parts& p : x) runs.push_back(whole(last(p)));
    return {joined(runs, x.size())[0], {}};
  }
  for (const Parts& p : x) runs.push_back(p.re);
  for (const Parts& p : x) runs.push_back(p.im);
  const std::vector<Value> both = joined(runs, x.size());
  return {both[0], both[1]};
}

// [outer, n, inner] -> [n, outer, inner], complex.
Value staged(const Parts& x, const std::vector<int64_t>& radices, Reader& roots, Ends ends) {
  const Shape shape = x.re.shape(), moved = {shape[1], shape[0], shape[2]};
  if (radices.empty()) return ir::reshape(whole(ends(x)), moved);
  Parts t = reshaped(x, {Dim(1), shape[0], shape[1], shape[2]});
  for (size_t i = 0; i < radices.size(); ++i) t = stage(t, radices[i], roots, i + 1 == radices.size() ? ends : nullptr);
  return ir::reshape(t.re, moved);
}

Value first_axis_second(Value x) {
  return x.shape()[1] == 1 ? ir::reshape(x, {x.shape()[1], x.shape()[0], x.shape()[2]}) : transpose(x, {1, 0, 2});
}

// X[k] = c[k] sum over t of (x[t] c[t]) conj(c[k - t]), c being the chirp.
Value convolved(const Parts& x, const fft::Plan& plan, Reader& table) {
  const Shape shape = x.re.shape();
  const int64_t n = plan.length, m = plan.convolution;
  const Parts chirp = table.next(n, shape, 1);
  const Shape moved = {Dim(m), shape[0], shape[2]}, long_shape = {shape[0], Dim(m), shape[2]};
  const Parts spectrum = table.next(m, moved, 0);
  const Parts product = turned_by(x, chirp);
  const auto padded = [&](Value v) {
    return pad(v, ir::splat(*v.builder, v.dtype(), 0, {}), {0, 0, 0}, {0, m - n, 0}, {0, 0, 0});
  };
  Reader again = table;
  const Parts there =
      turned_by(parts(staged({padded(product.re), padded(product.im)}, plan.radices, table, as_they_are)), spectrum);
  const auto back = [&](Value v) { return first_axis_second(v); };
  const Value around =
      first_axis_second(staged(swapped({back(there.re), back(there.im)}), plan.radices, again, swapped));
  const Parts r = parts(formula::part(around, 1, 0, n));
  return whole(turned_by(r, chirp));
}

Value transform_of(Value x, Value table, const fft::Plan& plan, bool inverse, double scale) {
  Parts p = parts(x);
  if (scale != 1) p = {p.re * scale, p.im * scale};
  if (inverse) p = swapped(p);
  Reader reader{table};
  if (plan.convolution == 0) return first_axis_second(staged(p, plan.radices, reader, inverse ? swapped : as_they_are));
  const Value y = convolved(p, plan, reader);
  return inverse ? whole(swapped(parts(y))) : y;
}

std::shared_ptr<const ir::Graph> graph_of(Value x, Value table, const fft::Plan& plan, bool inverse, double scale) {
  ir::GraphBuilder b("fft", x.builder->graph().symbols);
  b.set_location(x.builder->location());
  Value roots;
  if (table) roots = {&b, b.input(table.type())};
  const Value in{&b, b.input(x.type())};
  const ir::ValueId out = transform_of(in, roots, plan, inverse, scale).id;
  return b.finish(std::span(&out, 1));
}

// With products and sums in the place of fma, which has no transpose: this graph is never run, but transposed again and again.
std::shared_ptr<const ir::Graph> transposable(std::shared_ptr<const ir::Graph> graph) {
  passes::Rebuild to(*graph);
  return to.sweep([&](const ir::Node& n) {
    if (n.op != ir::Op::fma) return to.copy(n);
    const auto x = to.operands(n);
    const Value a{&to.builder, x[0]}, b{&to.builder, x[1]}, c{&to.builder, x[2]};
    to.set(n, 0, (a * b + c).id);
  });
}

}  // namespace

Value transformed(Value x, Value table, const fft::Plan& plan, bool inverse, double scale) {
  std::vector<Value> operands;
  if (table) operands.push_back(table);
  operands.push_back(x);
  const double back = 1 / (scale * static_cast<double>(plan.length));
  return ir::apply(*x.builder, ir::Op::linear_solve, operands,
                   ir::LinearSolveAttrs{.solve = graph_of(x, table, plan, inverse, scale),
                                        .matvec = transposable(graph_of(x, table, plan, !inverse, back)),
                                        .transposed = graph_of(x, table, plan, !inverse, scale),
                                        .counts = {table ? 1 : 0}})[0];
}

namespace {

// The roots that join halves stand at the end of a table.
Parts joining_roots(Value table, const fft::Plan& plan, const Shape& shape) {
  const int64_t half = plan.length;
  Reader reader{table, fft::table_size(plan, true) - 2 * (half + 1)};
  return reader.next(half + 1, shape, 1);
}

}  // namespace

// Even and odd elements are the parts of n / 2 complex ones, whose transform is Z. With E = (Z[k] + conj Z[-k]) / 2 and
// O = (Z[k] - conj Z[-k]) / 2i, X[k] = E + w^k O.
Value transformed_real(Value x, Value table, const fft::Plan& plan, int64_t n, double scale) {
  const Shape shape = x.shape();
  if (n % 2 != 0) return formula::part(transformed(whole(parts(x)), table, plan, false, scale), 1, 0, n / 2 + 1);
  const int64_t half = n / 2;
  const Value pairs = ir::reshape(x, {shape[0], Dim(half), Dim(2), shape[2]});
  const Shape short_shape = {shape[0], Dim(half), shape[2]}, out = {shape[0], Dim(half + 1), shape[2]};
  const Value z = ir::complex(ir::reshape(formula::part(pairs, 2, 0, 1), short_shape),
                              ir::reshape(formula::part(pairs, 2, 1, 1), short_shape));
  const Value spectrum = transformed(z, table, plan, false, scale * 0.5);
  const Value around[] = {spectrum, formula::part(spectrum, 1, 0, 1)};
  const Value ahead = ir::concat(around, 1);
  const Parts a = parts(ahead), b = parts(ir::reverse(ahead, {1}));
  const Parts even = {a.re + b.re, a.im - b.im}, odd = {a.im + b.im, b.re - a.re};
  const Parts w = joining_roots(table, plan, out);
  const Parts turned = turned_by(odd, w);
  return ir::complex(even.re + turned.re, even.im + turned.im);
}

// The way back: Z[k] = (X[k] + conj X[n/2 - k]) + i w^-k (X[k] - conj X[n/2 - k]). The imaginary parts of X[0] and X[n/2] do not count.
Value transformed_back(Value x, Value table, const fft::Plan& plan, int64_t n, double scale) {
  const Shape shape = x.shape();
  const int64_t half = n / 2;
  const Value place = ir::iota(*x.builder, i64, shape, 1);
  Value real_only = eq(place, literal(place, 0));
  if (n % 2 == 0) real_only = bit_or(real_only, eq(place, literal(place, half)));
  const Parts given = parts(x), clean = {given.re, select(real_only, ir::zeros_like(given.im), given.im)};
  if (n % 2 != 0) {
    const auto mirrored = [&](Value v) { return ir::reverse(formula::part(v, 1, 1, half), {1}); };
    const Value re[] = {clean.re, mirrored(clean.re)}, im[] = {clean.im, -mirrored(clean.im)};
    return real(transformed(ir::complex(ir::concat(re, 1), ir::concat(im, 1)), table, plan, true, scale));
  }
  const Parts back = {ir::reverse(clean.re, {1}), ir::reverse(clean.im, {1})};
  const Parts even = {clean.re + back.re, clean.im - back.im}, odd = {clean.re - back.re, clean.im + back.im};
  const Parts w = joining_roots(table, plan, shape);
  const Parts turned = {fma(odd.re, w.re, odd.im * w.im), fma(odd.im, w.re, -(odd.re * w.im))};  // by the conjugate
  const Value z = ir::complex(even.re - turned.im, even.im + turned.re);
  const Parts y = parts(transformed(formula::part(z, 1, 0, half), table, plan, true, scale));
  const Shape one = {shape[0], Dim(half), Dim(1), shape[2]};
  const Value both[] = {ir::reshape(y.re, one), ir::reshape(y.im, one)};
  return ir::reshape(ir::concat(both, 2), {shape[0], Dim(n), shape[2]});
}

}  // namespace tenon::formula
