// The functions that random gradient programs are made of, and how programs and their arguments are drawn.
#include "tenon/tests/gradient_program.h"

#include <random>

namespace tenon::testing {
namespace {

Tensor whole(const Tensor& x) { return broadcast_to(x, {2, 3}); }

using Function = Tensor (*)(const Tensor&, const Tensor&);
struct Row {
  const char* name;
  bool smooth;
  Function function;
};

const auto jitted = jit([](const Tensor& a, const Tensor& b) { return a * b + sin(a) / (b * b + 2); });
const auto jitted_parts =
    jit([](const Tensor& a, const Tensor& b) { return std::make_tuple(a, a * b, a + 1, std::vector<Tensor>{b, a}); });

const Row rows[] = {
    {"a + b", true, [](const Tensor& a, const Tensor& b) { return a + b; }},
    {"a - b", true, [](const Tensor& a, const Tensor& b) { return a - b; }},
    {"a * b", true, [](const Tensor& a, const Tensor& b) { return a * b; }},
    {"a / (b * b + 1.5)", true, [](const Tensor& a, const Tensor& b) { return a / (b * b + 1.5); }},
    {"a / b", false, [](const Tensor& a, const Tensor& b) { return a / b; }},
    {"pow(a * a + 0.5, b)", true, [](const Tensor& a, const Tensor& b) { return pow(a * a + 0.5, b); }},
    {"pow(a, b)", false, [](const Tensor& a, const Tensor& b) { return pow(a, b); }},
    {"a + 1", true, [](const Tensor& a, const Tensor&) { return a + 1; }},
    {"sin(a)", true, [](const Tensor& a, const Tensor&) { return sin(a); }},
    {"tanh(b)", true, [](const Tensor&, const Tensor& b) { return tanh(b); }},
    {"exp(a / 4)", true, [](const Tensor& a, const Tensor&) { return exp(tanh(a) * 2); }},
    {"atan2(a, b * b + 1)", true, [](const Tensor& a, const Tensor& b) { return atan2(a, b * b + 1); }},
    {"log(a * a + 1)", true, [](const Tensor& a, const Tensor&) { return log(a * a + 1); }},
    {"gelu(a)", true, [](const Tensor& a, const Tensor&) { return gelu(a); }},
    {"gelu_tanh(a)", true, [](const Tensor& a, const Tensor&) { return gelu_tanh(a); }},
    {"logaddexp(a, b)", true, [](const Tensor& a, const Tensor& b) { return logaddexp(a, b); }},
    {"hypot(a, b * b + 1)", true, [](const Tensor& a, const Tensor& b) { return hypot(a, b * b + 1); }},
    {"lgamma(tanh(a) + 2)", true, [](const Tensor& a, const Tensor&) { return lgamma(tanh(a) + 2); }},
    {"silu(a)", true, [](const Tensor& a, const Tensor&) { return silu(a); }},
    {"softmax(a)", true, [](const Tensor& a, const Tensor&) { return softmax(whole(a), -1); }},
    {"logsumexp(a)", true, [](const Tensor& a, const Tensor&) { return logsumexp(whole(a), {{1}, true}); }},
    {"mean(a)", true, [](const Tensor& a, const Tensor&) { return mean(whole(a), {{0}, true}); }},
    {"var(a)", true, [](const Tensor& a, const Tensor&) { return var(whole(a), {{1}, true}); }},
    {"layer_norm(a, b)", true,
     [](const Tensor& a, const Tensor& b) { return layer_norm(whole(a), sum(whole(b), {{0}}), 0.5, 0.1); }},
    {"binary_cross_entropy_with_logits(a, b)", true,
     [](const Tensor& a, const Tensor& b) {
       return binary_cross_entropy_with_logits(a, sigmoid(b), {.reduction = "none"});
     }},
    {"cross_entropy(a, softmax(b))", true,
     [](const Tensor& a, const Tensor& b) {
       return expand_dims(cross_entropy(whole(a), softmax(whole(b), -1), {.smoothing = 0.1, .reduction = "none"}), 1);
     }},
    {"gaussian_nll_loss(a, b, a * a + 1)", true,
     [](const Tensor& a, const Tensor& b) { return gaussian_nll_loss(a, b, a * a + 1, {.reduction = "none"}); }},
    {"matmul(a, b')", true,
     [](const Tensor& a, const Tensor& b) { return matmul(whole(a), whole(b).transpose())[{all, slice(0, 1)}]; }},
    {"concat(a, b)", true,
     [](const Tensor& a, const Tensor& b) {
       return concat({whole(a), whole(b)}, 1)[{all, slice(4, 0, -1)}][{all, slice(0, 3)}];
     }},
    {"x = a; x[0] = b[1]; x[.., ::2] *= x", true,
     [](const Tensor& a, const Tensor& b) {
       Tensor x = whole(a) * 1;  // a leaf refuses
       const Tensor before = x;
       x[0] = whole(b)[1];
       x[{all, slice(0, 3, 2)}] *= before[{all, slice(1, 2)}];
       return x;
     }},
    {"x = a; x += b; x *= a", true,
     [](const Tensor& a, const Tensor& b) {
       Tensor x = whole(a) * 1;  // a leaf refuses
       x += b;
       return x *= a;
     }},
    {"cumsum(a)", true, [](const Tensor& a, const Tensor&) { return cumsum(whole(a), 1); }},
    {"take(a, {1, 0})", true, [](const Tensor& a, const Tensor&) { return take(whole(a), tensor({1, 1}), 0); }},
    {"scatter_add(a, b)", true,
     [](const Tensor& a, const Tensor& b) { return scatter_add(whole(a), tensor({1, 1}), whole(b), 0); }},
    {"scatter_reduce(a, b)", true,
     [](const Tensor& a, const Tensor& b) {
       return scatter_reduce(whole(a), 0, tensor({{0, 1, 0}, {0, 0, 1}}), whole(b), "prod");
     }},
    {"scatter_reduce(a, b, amax)", false,
     [](const Tensor& a, const Tensor& b) {
       return scatter_reduce(whole(a), 0, tensor({{0, 1, 0}, {0, 0, 1}}), whole(b), "amax");
     }},
    {"x[i, j] = b", true,
     [](const Tensor& a, const Tensor& b) {
       Tensor x = whole(a) * 1;
       x[{tensor({0, 1, 0}), tensor({1, 0, 1})}] = whole(b)[{tensor({1, 1, 0}), 0}];
       return x;
     }},
    {"cond(sum(a) > 0)", true,
     [](const Tensor& a, const Tensor& b) {
       return cond(
           sum(a) > 0.1, [](const Tensor& x, const Tensor& y) { return x * y + x; },
           [](const Tensor& x, const Tensor& y) { return sin(x) - y * y; }, whole(a), whole(b));
     }},
    {"scan(a)", true,
     [](const Tensor& a, const Tensor& b) {
       const auto f = [&](const Tensor& c, const Tensor& x) {
         return std::make_pair(tanh(c * x + c), c * x * mean(b));
       };
       const auto [last, ys] = scan(f, whole(b)[0], whole(a));
       return ys + last;
     }},
    {"fori_loop", true,
     [](const Tensor& a, const Tensor& b) {
       const Tensor x = whole(a);
       return fori_loop(0, 3, [&](const Tensor& i, const Tensor& s) { return sin(s) * x + s * b + i; }, x);
     }},
    {"jitted(a, b)", true, [](const Tensor& a, const Tensor& b) { return jitted(a, b); }},
    {"jitted_parts(a, b)", true,
     [](const Tensor& a, const Tensor& b) {
       const auto [x, y, z, rest] = jitted_parts(a, b);
       return x * y + sin(z) * rest[0] + x * rest[1];
     }},
    {"inner gradient", true,
     [](const Tensor& a, const Tensor& b) {
       return grad([&](const Tensor& x) { return sum(x * sin(x) * b); })(whole(a));
     }},
    {"inner jvp", true,
     [](const Tensor& a, const Tensor& b) {
       return jvp([](const Tensor& x) { return x * tanh(x); }, whole(a), whole(b)).second;
     }},
    {"stop_gradient(a) * b", false, [](const Tensor& a, const Tensor& b) { return stop_gradient(a) * b; }},
    {"floor(a) * b", false, [](const Tensor& a, const Tensor& b) { return floor(a * 3) * b; }},
    {"sign(a)", false, [](const Tensor& a, const Tensor&) { return sign(a); }},
    {"(a > b) * a", false,
     [](const Tensor& a, const Tensor& b) { return where(a > b, a, 0) + (a > b).astype(b.dtype()); }},
    {"maximum(a, b)", false, [](const Tensor& a, const Tensor& b) { return maximum(a, b); }},
    {"abs(a)", false, [](const Tensor& a, const Tensor&) { return abs(a); }},
    {"max(a)", false, [](const Tensor& a, const Tensor&) { return max(whole(a), {{1}, true}); }},
    {"sort(a)", false, [](const Tensor& a, const Tensor&) { return sort(whole(a), 1); }},
    {"while_loop that counts", false,
     [](const Tensor& a, const Tensor& b) {
       const auto more = [](const std::pair<Tensor, Tensor>& s) { return s.second < 3; };
       const auto step = [](const std::pair<Tensor, Tensor>& s) {
         return std::make_pair(s.first + 1, s.second + s.first * s.first);
       };
       const Tensor count = while_loop(more, step, std::make_pair(sum(b), sum(a) * 0)).first;
       return floor(count) * a;
     }},
};
constexpr int row_count = static_cast<int>(std::size(rows));

}  // namespace

std::vector<Tensor> flat(const Leaves& l) { return {l.full, l.inner.row, l.inner.rest.at(0), l.inner.rest.at(1)}; }

Tensor GradientProgram::operator()(const Leaves& leaves) const {
  std::vector<Tensor> values = flat(leaves);
  for (const Step& s : steps) values.push_back(rows[s.op].function(values[s.a], values[s.b]));
  Tensor loss;
  for (int u : used) {
    const Tensor part = sum(values[u]);
    loss = loss.defined() ? loss + part : part;
  }
  return loss;
}

std::string GradientProgram::text() const {
  std::string out;
  int next = 4;
  for (const Step& s : steps)
    out += "v" + std::to_string(next++) + ": " + rows[s.op].name + ", a = v" + std::to_string(s.a) + ", b = v" +
           std::to_string(s.b) + "\n";
  out += "sum of";
  for (int u : used) out += " v" + std::to_string(u);
  return out;
}

GradientProgram random_gradient_program(uint64_t seed, int steps, bool smooth) {
  std::mt19937_64 random(seed * 7919 + 13);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<uint64_t>(n)); };
  GradientProgram p;
  for (int i = 0; i < steps; ++i) {
    const int values = 4 + i;
    GradientProgram::Step s;
    do s.op = below(row_count);
    while (smooth && !rows[s.op].smooth);
    // Recent values twice as often as old ones; every third operand pair is one value taken twice.
    s.a = below(2) ? below(values) : std::max(0, values - 1 - below(3));
    s.b = below(3) == 0 ? s.a : below(values);
    p.steps.push_back(s);
  }
  p.used = {4 + steps - 1, below(4 + steps), below(4)};
  return p;
}

Leaves random_leaves(uint64_t seed, DType dtype) {
  const auto draw = [&](uint64_t k, const Shape& shape) {
    return uniform(key(seed * 16 + k), shape, {.dtype = dtype}) * 2 - 1;
  };
  return {draw(1, {2, 3}), {draw(2, {3}), {draw(3, {2, 1}), draw(4, {})}}};
}

}  // namespace tenon::testing
