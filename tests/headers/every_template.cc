// Instantiates the templates of the public headers as users do. tests/headers_test.cc compiles it under warnings that Tenon itself
// is not held to; nothing runs it.
#include <tenon/tenon.h>

#include <map>
#include <optional>
#include <unordered_map>
#include <variant>

namespace tn = tenon;
using tn::Tensor;

namespace {

enum class Mode : unsigned char { fast, slow };
struct Options {
  int width = 3;
};

}  // namespace

template <>
struct tenon::is_static<Options> : std::true_type {};

namespace {

struct Layer {
  Tensor w, b;
};
struct Model {
  std::vector<Layer> layers;
  std::map<std::string, Tensor> extra;
  std::unordered_map<int, Tensor> by_number;
  std::optional<Tensor> bias;
  std::variant<Tensor, double> gain;
  std::array<Tensor, 2> pair;
  std::tuple<Tensor, float, long double> three;
  std::pair<Tensor, bool> two;
  tn::Shape shape;
  Mode mode = Mode::fast;
  Options options;
  std::vector<bool> bits;
  char letter = 'a';
  std::string name;
};

Tensor loss(const Model& m, const Tensor& x) { return tn::mean(m.layers.at(0).w * x + m.two.first); }

void transforms(const Model& m, const Tensor& x) {
  const auto step = tn::jit(loss, {.donate = {0}});
  Tensor y = step(m, x);
  const tn::Function<Tensor(Model, Tensor)> held = step;
  y = held(m, x);
  const Model g = tn::grad(loss)(m, x);
  const auto both = tn::value_and_grad<0, 1>(loss)(m, x);
  y = both.first + std::get<1>(both.second);
  const auto with_aux = tn::grad([](const Tensor& z) { return std::make_pair(tn::sum(z), z); })(x);
  y = with_aux.second;
  y = tn::jvp([](const Tensor& z) { return tn::sin(z); }, x, x).second;
  const auto [value, pull] = tn::vjp(loss, m, x);
  y = std::get<1>(pull(value));
  const tn::Traced traced = tn::trace(loss, m, x);
  tn::aot::save(step, {.name = "step"}, m, x);
  y = tn::Tensor(g.layers.at(0).w);
  static_cast<void>(step.lower(m, x).compile().explain() + traced.ir());
}

void control(const Tensor& x) {
  const auto add = [](const Tensor& a, const Tensor& b) { return a + b; };
  static_cast<void>(tn::cond(x > 0, [](const Tensor& z) { return z; }, [](const Tensor& z) { return -z; }, x));
  static_cast<void>(tn::while_loop([](const Tensor& z) { return z < 3; }, [](const Tensor& z) { return z + 1; }, x));
  static_cast<void>(tn::fori_loop(0, 3, [&](const Tensor& i, const Tensor& z) { return add(z, i); }, x));
  const auto scanned = tn::scan([](const Tensor& c, const Tensor& row) { return std::make_pair(c + row, row); }, x, x);
  static_cast<void>(scanned.first.item());
}

void trees(const Model& m) {
  static_cast<void>(tn::tree::leaves(m).size() + tn::tree::paths(m).size());
  static_cast<void>(tn::tree::equal_structure(m, m));
  const auto halved = tn::tree::map([](const Tensor& t) { return t / 2; }, m);
  const auto sums = tn::tree::map([](const Tensor& a, const Tensor& b) { return a + b; }, m, halved);
  const auto state = tn::optim::adamw_init(m);
  static_cast<void>(tn::optim::adamw(m, sums, state, {.rate = 1e-3}));
  static_cast<void>(tn::optim::sgd(m, sums));
  static_cast<void>(tn::optim::sgd(m, sums, tn::optim::sgd_init(m), {.momentum = 0.9}));
  static_cast<void>(
      tn::optim::adam(m, sums, tn::optim::adam_init(m, {.amsgrad = true}), {.rate = tn::tree::leaves(m)[0]}));
  static_cast<void>(tn::optim::lamb(m, sums, tn::optim::lamb_init(m), {.settings = {{"*", {.frozen = true}}}}));
  static_cast<void>(tn::optim::lion(m, sums, tn::optim::lion_init(m)));
  static_cast<void>(tn::optim::rmsprop(m, sums, tn::optim::rmsprop_init(m)));
  static_cast<void>(tn::optim::adagrad(m, sums, tn::optim::adagrad_init(m)));
  static_cast<void>(tn::optim::adadelta(m, sums, tn::optim::adadelta_init(m)));
  static_cast<void>(tn::optim::minimize([](const Model& n) { return tn::sum(tn::tree::leaves(n)[0]); }, m));
  static_cast<void>(tn::optim::global_norm(sums));
  const Tensor y = tn::ones({2, 3});
  static_cast<void>(tn::triplet_margin_with_distance_loss(
      y, y, y, [](const Tensor& a, const Tensor& b) { return tn::sum(tn::abs(a - b), {.axes = {-1}}); }));
  static_cast<void>(tn::from_blob(nullptr, {0}, tn::f32));
  static_cast<void>(tn::optim::ema(m, tn::optim::clip_by_norm(tn::optim::clip_by_value(sums, 1), 1), 0.9));
  static_cast<void>(tn::optim::accumulate(tn::optim::accumulate_init(m), sums, 2));
}

void layers(const Tensor& x) {
  const Tensor key = tn::key(1);
  const auto net = tn::nn::sequential(
      tn::nn::conv(key, 3, 4, {3, 3}), tn::nn::batch_norm(4), tn::nn::relu(),
      tn::nn::residual(tn::nn::conv2d(key, 4, 4, 3, {.padding = "same"})), [](const Tensor& t) { return t * 2; },
      tn::nn::dropout(0.5));
  using Net = std::remove_const_t<decltype(net)>;
  auto [y, next] = net(x, {.training = true, .key = key});
  y = net(x) + y;
  const Net g = tn::grad([](const Net& n, const Tensor& images) { return tn::sum(n(images)); })(next, x);
  static_cast<void>(tn::nn::residual(tn::nn::relu(), tn::nn::tanh())(x, {.training = true}).first +
                    tn::tree::leaves(g)[0]);
}

void files(Model& m) {
  tn::save("m", m);
  tn::load("m", m);
  const Model same = tn::load("m", m), other = tn::load("m", same);
  m.bias = tn::load_safetensors("m").at("bias");
}

void ranks(Model& m) {
  const tn::dist::World world = tn::dist::init();
  tn::dist::save_checkpoint("folder", m, world, {.step = 1, .keep = 2});
  if (const std::optional<int64_t> step = tn::dist::restore_checkpoint("folder", m, world)) m.options.width = *step > 1;
  const auto init = [](const auto& p) { return tn::optim::adamw_init(p); };
  const auto update = [](const auto& p, const auto& g, const auto& s) { return tn::optim::adamw(p, g, s); };
  auto state = tn::dist::sharded_init(init, m, world);
  std::tie(m, state) = tn::dist::sharded_update(update, m, m, state, world);
  state = tn::dist::shard_state(tn::dist::gather_state(state, m, world), m, world);
}

template <class T>
void elements(const Tensor& x) {
  static_cast<void>(x.item<T>());
  static_cast<void>(x.to_vector<T>());
  static_cast<void>(tn::tensor(T{}) + tn::tensor({T{}, T{}}) + tn::tensor({{T{}, T{}}, {T{}, T{}}}) +
                    tn::tensor({{{T{}}, {T{}}}}));
  static_cast<void>(x + T{} + tn::full({2, 3}, T{}));
}

}  // namespace

int main() {
  const Tensor x = tn::arange(3).astype(tn::f32);
  Model m;
  transforms(m, x);
  control(x);
  trees(m);
  files(m);
  ranks(m);
  elements<bool>(x), elements<signed char>(x), elements<unsigned char>(x), elements<short>(x);
  elements<unsigned short>(x), elements<int>(x), elements<unsigned>(x), elements<long>(x), elements<unsigned long>(x);
  elements<float>(x), elements<double>(x);
  Tensor y = x[{0u, tn::all, tn::slice(0, -1), short{1}, 3ul}];
  y[0] = x, y[{1, 2}] += 3, y.data() *= 2;
  tn::check(true, "holds");
  tn::debug::print("{} {} {} {} {} {} {}", x, x[0], 1, 2u, 0.5f, 'c', std::string("text"));
  static_cast<void>(tn::custom_call({.name = "host"}, std::span(&x, 1), std::span(&y, 1)));
}
