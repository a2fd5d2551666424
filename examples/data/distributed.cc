// Each rank jits the same step; what the run depends on is in its checkpoints, and a batch is a function of its step.
#include "tenon/examples/data/distributed.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>

#include "tenon/examples/data/mlp.h"

namespace tenon::examples {
namespace {

constexpr optim::AdamW adamw{.rate = 1e-3, .weight_decay = 1e-4};

// Step k's batch is a function of k alone, so that a run may begin anywhere.
class Batches {
 public:
  Batches(const Images& images, int64_t size) : images_(images), size_(size), steps_(images.count() / size) {
    if (steps_ < 1)
      throw Error("the data set holds " + std::to_string(images.count()) + " images; a batch has " +
                  std::to_string(size));
  }
  std::pair<Tensor, Tensor> of_step(int64_t k) {
    if (k / steps_ != epoch_) shuffle(k / steps_);
    const int64_t first = k % steps_ * size_;
    std::vector<uint8_t> pixels(static_cast<size_t>(size_ * 784)), labels(static_cast<size_t>(size_));
    for (int64_t i = 0; i < size_; ++i) {
      const size_t row = order_[static_cast<size_t>(first + i)];
      std::memcpy(pixels.data() + i * 784, images_.pixels.data() + row * 784, 784);
      labels[static_cast<size_t>(i)] = images_.labels[row];
    }
    return {copy_from(pixels.data(), {size_, 784}, u8), copy_from(labels.data(), {size_}, u8)};
  }

 private:
  void shuffle(int64_t epoch) {
    epoch_ = epoch;
    order_.resize(static_cast<size_t>(images_.count()));
    std::iota(order_.begin(), order_.end(), 0);
    std::mt19937_64 random(static_cast<uint64_t>(epoch) + 7);
    for (size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[random() % i]);
  }

  const Images& images_;
  const int64_t size_, steps_;
  int64_t epoch_ = -1;
  std::vector<size_t> order_;
};

uint64_t fnv(uint64_t hash, const void* bytes, size_t count) {
  for (size_t i = 0; i < count; ++i) hash = (hash ^ static_cast<const unsigned char*>(bytes)[i]) * 0x100000001b3;
  return hash;
}

template <class T>
int64_t bytes_of(const T& tree) {
  int64_t count = 0;
  for (const Tensor& t : tree::leaves(tree)) count += static_cast<int64_t>(t.numel()) * bytes(t.dtype());
  return count;
}

// That part of what explain() says.
std::string together(const std::string& explained) {
  const size_t from = explained.find("what ranks do together:"), to = explained.find("edges that", from);
  return from == std::string::npos ? "one rank does all\n" : explained.substr(from, to - from);
}

// What a checkpoint holds: everything that the rest of the run depends on.
template <class S>
struct Saved {
  mlp::Params params;
  S state;
  Tensor losses;  // f32[steps], of the steps so far
};

// The largest number that a rank has, and the smallest.
std::pair<int64_t, int64_t> spread_of(int64_t number, const dist::World& world) {
  const std::vector<int64_t> all = dist::all_gather(full({1}, number, {.dtype = i64}), world).to_vector<int64_t>();
  return {*std::max_element(all.begin(), all.end()), *std::min_element(all.begin(), all.end())};
}

// step(params, state, images, labels) gives a tuple of all three; whole(state) is what a checkpoint takes of a state, own its inverse.
template <class Step, class State, class Whole, class Own>
Trained run(const dist::World& world, const Images& images, const DistributedOptions& o, const Step& step, State state,
            const Whole& whole, const Own& own) {
  const bool talks = o.talk && world.rank() == 0;
  mlp::Params params = mlp::init(42);
  std::vector<float> losses(static_cast<size_t>(o.steps));
  Trained result;
  const auto saved = [&] { return Saved<State>{params, whole(state), copy_from(losses.data(), {o.steps}, f32)}; };
  if (o.restore && !o.checkpoint.empty()) {
    Saved<State> there = saved();
    if (const auto found = dist::restore_checkpoint(o.checkpoint, there, world)) {
      params = there.params, state = own(there.state), losses = there.losses.template to_vector<float>();
      result.began_at = *found;
    }
    if (talks)
      std::printf("%s step %lld of %s\n",
                  result.began_at ? "restored" : "no checkpoint:", static_cast<long long>(result.began_at),
                  o.checkpoint.c_str());
  }
  Batches batches(images, o.batch);
  Progress progress(o.steps, {.unit = "images", .per_step = static_cast<double>(o.batch), .every = 1e9});
  const char* over = isatty(STDOUT_FILENO) ? "\r\033[K" : "";  // the bar
  for (int64_t k = result.began_at; k < o.steps; ++k) {
    if (k == o.die_at && world.rank() == 1) raise(SIGKILL);
    const auto [x, y] = batches.of_step(k);
    if (o.explain && k == result.began_at && world.rank() == 0)
      std::printf("%s", together(step.lower(params, state, x, y).compile().explain()).c_str());
    auto [next, moments, loss] = step(params, state, x, y);
    params = std::move(next), state = std::move(moments);
    losses[static_cast<size_t>(k)] = loss.template item<float>();
    if (talks) progress.step({{"loss", static_cast<double>(losses[static_cast<size_t>(k)])}});
    if (talks && (k + 1) % 20 == 0)
      std::printf("%sstep %4lld  loss %.9g\n", over, static_cast<long long>(k + 1),
                  static_cast<double>(losses[static_cast<size_t>(k)])),
          std::fflush(stdout);
    if (!o.checkpoint.empty() && (k + 1) % o.every == 0)
      dist::save_checkpoint(o.checkpoint, saved(), world, {.step = k + 1, .keep = o.keep});
  }
  result.digest = fnv(0xcbf29ce484222325, losses.data(), losses.size() * sizeof(float));
  for (const Tensor& t : tree::leaves(params))
    result.digest = fnv(result.digest, t.raw(), static_cast<size_t>(bytes_of(t)));
  result.losses = std::move(losses);
  result.state_bytes = bytes_of(state);
  result.largest_state_bytes = spread_of(result.state_bytes, world).first;
  const auto [most, least] = spread_of(static_cast<int64_t>(result.digest), world);
  if (most != least) throw Error("the ranks end with different parameters");
  return result;
}

Trained train_whole(const dist::World& world, const Images& images, const DistributedOptions& o) {
  const auto step = jit(dist::data_parallel(
                            [](const mlp::Params& p, const mlp::State& s, const Tensor& x, const Tensor& y) {
                              const auto [loss, gradient] = dist::mean_gradient(mlp::loss)(p, x, y);
                              auto [next, state] = optim::adamw(p, gradient, s, adamw);
                              return std::make_tuple(next, state, loss);
                            },
                            world, {.shards = o.shards}),
                        {.donate = {0, 1}, .name = "train_step"});
  const auto same = [](const mlp::State& s) { return s; };
  return run(world, images, o, step, mlp::State(optim::adamw_init(mlp::init(42))), same, same);
}

Trained train_sharded(const dist::World& world, const Images& images, const DistributedOptions& o) {
  using State = optim::AdamWState<dist::LeafParts>;
  const dist::Group group = world;
  const mlp::Params like = mlp::init(42);
  const auto step = jit(dist::data_parallel(
                            [group](const mlp::Params& p, const State& s, const Tensor& x, const Tensor& y) {
                              const auto [loss, gradient] = value_and_grad(mlp::loss)(p, x, y);
                              const Tensor mean = dist::mean_gradient(loss);  // travels behind the update
                              const auto update = [](const auto& part, const auto& g, const auto& of) {
                                return optim::adamw(part, g, of, adamw);
                              };
                              auto [next, state] = dist::sharded_update(update, p, gradient, s, group);
                              return std::make_tuple(next, state, mean);
                            },
                            group, {.shards = o.shards}),
                        {.donate = {0, 1}, .name = "train_step"});
  const State state = dist::sharded_init([](const auto& p) { return optim::adamw_init(p); }, like, group);
  return run(
      world, images, o, step, state, [&](const State& s) { return dist::gather_state(s, like, group); },
      [&](const State& s) { return dist::shard_state(s, like, group); });
}

}  // namespace

Trained train(const dist::World& world, const Images& images, const DistributedOptions& options) {
  return options.sharded_state ? train_sharded(world, images, options) : train_whole(world, images, options);
}

}  // namespace tenon::examples
