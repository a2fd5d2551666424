// Every allocation of a door fails once: what leaves is tenon::Error, and the next call is right. Programs are compiled before,
// since a compiler in want of memory is another matter (memory_limit_test).
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <new>
#include <string>
#include <vector>

#include "tenon/tenon.h"
#include "tenon/tests/temporary_folder.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// The sanitizers replace operator new themselves.
#else

namespace {
thread_local long allocations_left = -1;  // before one fails; none does while it is negative
thread_local bool failed = false;

void* allocate(std::size_t bytes) {
  if (allocations_left >= 0 && allocations_left-- == 0) {
    failed = true;
    throw std::bad_alloc();
  }
  void* const memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
}  // namespace

void* operator new(std::size_t bytes) { return allocate(bytes); }
void* operator new[](std::size_t bytes) { return allocate(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace tn = tenon;
namespace {

using tn::Tensor;

struct Door {
  const char* name;
  std::function<void()> call;
  int callers = 0;  // allocations that the caller makes for its arguments
};

const std::string& file() {
  static const struct Folder {
    std::string path = tenon::testing::temporary_folder("allocation-failure"), file = path + "/x.npy";
    ~Folder() { std::filesystem::remove_all(path); }
  } folder;
  return folder.file;
}

Tensor x() {
  static const Tensor t = tn::reshape(tn::arange(1.0, 25.0, 1.0), {4, 6});
  return t;
}

// Vectors that a caller passes are the caller's own allocations, so they are there before.
const tn::Reduce rows{{0}}, columns{{1}};
const std::vector<int64_t> halves{2, -1}, swapped{1, 0}, first{0}, two{2, 2};
const std::vector<std::pair<tn::Extent, tn::Extent>> widths{{1, 1}, {0, 0}};

void elementwise(std::vector<Door>& d) {
  d.push_back({"x + x", [] { x() + x(); }});
  d.push_back({"x + 1", [] { x() + 1; }});
  d.push_back({"exp", [] { tn::exp(x()); }});
  d.push_back({"where", [] { tn::where(x() < 3, x(), 0); }});
  d.push_back({"clip", [] { tn::clip(x(), 1, 2); }});
  d.push_back({"logical_and", [] { tn::logical_and(x() < 3, x() > 1); }});
  d.push_back({"logical_not", [] { tn::logical_not(x()); }});
  d.push_back({"relu", [] { tn::relu(x()); }});
  d.push_back({"+=", [] {
                 Tensor y = x();
                 y += 1;
               }});
  d.push_back({"x[i] = y", [] {
                 Tensor y = x();
                 y[{1, tn::slice(0, 6, 2)}] = 3;
               }});
  d.push_back({"data()", [] { x().data(); }});
}

void others(std::vector<Door>& d) {
  d.push_back({"sum", [] { tn::sum(x(), rows); }, 1});
  d.push_back({"max", [] { tn::max(x(), columns); }, 1});
  d.push_back({"mean", [] { tn::mean(x()); }});
  d.push_back({"logsumexp", [] { tn::logsumexp(x(), columns); }, 1});
  d.push_back({"argmax", [] { tn::argmax(x(), 0); }});
  d.push_back({"cumsum", [] { tn::cumsum(x(), 0); }});
  d.push_back({"softmax", [] { tn::softmax(x()); }});
  d.push_back({"layer_norm", [] { tn::layer_norm(x(), 1, 0); }});
  d.push_back({"rms_norm", [] { tn::rms_norm(x(), 1); }});
  d.push_back({"cross_entropy", [] { tn::cross_entropy(x(), tn::tensor({0, 1, 2, 3})); }});
  d.push_back({"reshape", [] { tn::reshape(x(), halves); }});
  d.push_back({"transpose", [] { tn::transpose(x(), swapped); }});
  d.push_back({"broadcast_to", [] { tn::broadcast_to(x(), {2, 4, 6}); }});
  d.push_back({"concat", [] { tn::concat({x(), x()}); }});
  d.push_back({"stack", [] { tn::stack({x(), x()}); }});
  d.push_back({"flip", [] { tn::flip(x(), first); }});
  d.push_back({"pad", [] { tn::pad(x(), widths, 0.5); }});
  d.push_back({"squeeze", [] { tn::squeeze(tn::expand_dims(x(), 0), 0); }});
  d.push_back({"x[i]", [] { x()[{1, tn::slice(0, 3)}]; }});
  d.push_back({"dynamic_slice", [] {
                 const Tensor starts[] = {tn::tensor(1), tn::tensor(2)};
                 tn::dynamic_slice(x(), starts, two);
               }});
  d.push_back({"take", [] { tn::take(x(), tn::tensor({1, 0})); }});
  d.push_back({"scatter_add", [] { tn::scatter_add(x(), tn::tensor({1, 0}), tn::ones({2, 6})); }});
  d.push_back({"sort", [] { tn::sort(x()), tn::argsort(x()); }});
  d.push_back({"one_hot", [] { tn::one_hot(tn::tensor({1, 0}), 3); }});
  d.push_back({"matmul", [] { tn::matmul(x(), tn::ones({6, 2})); }});
  d.push_back({"dot", [] { tn::dot(tn::ones({3}), tn::ones({3})); }});
  d.push_back({"linear", [] { tn::linear(x(), tn::ones({6, 2}), tn::zeros({2})); }});
  d.push_back({"einsum", [] { tn::einsum("ij,ij->i", {x(), x()}); }});
  d.push_back({"convolution", [] { tn::convolution(tn::ones({1, 5, 2}), tn::ones({3, 2, 4})); }});
  d.push_back({"random", [] {
                 const auto [a, b] = tn::split(tn::key(3));
                 tn::uniform(a, {3}), tn::normal(tn::fold_in(b, 2), {3}), tn::random_bits(a, {2});
               }});
}

void makers(std::vector<Door>& d) {
  d.push_back({"tensor", [] { tn::tensor({{1.f, 2.f}, {3.f, 4.f}}), tn::tensor(7), tn::tensor({true, false}); }});
  d.push_back({"full", [] { tn::full({2, 3}, 0.1), tn::zeros({2}), tn::ones_like(x()); }});
  d.push_back({"arange", [] { tn::arange(0.0, 1.0, 0.1); }});
  d.push_back({"spec", [] { tn::spec({tn::dim("allocations"), 2}, tn::f32); }});
  d.push_back({"from_blob", [] {
                 static const float two[2] = {};
                 tn::from_blob(two, {2}, tn::f32);
               }});
  d.push_back({"detach", [] { x().detach(); }});
  d.push_back({"to_vector", [] { x().to_vector<double>(), x().to_vector(); }});
  d.push_back({"item", [] { tn::ones({}).item<int>(); }});
  d.push_back({"print", [] { to_string(x()); }});
  d.push_back({"npy", [] {
                 tn::save_npy(file(), x());
                 tn::load_npy(file());
               }});
  d.push_back({"safetensors", [] {
                 tn::save(file(), x());
                 Tensor t = x();
                 tn::load(file(), t);
                 tn::load_safetensors(file());
               }});
}

void transforms(std::vector<Door>& d) {
  static const auto f = [](const Tensor& t) { return tn::sum(tn::exp(t * 0.1) + t); };
  static const auto jitted = tn::jit(f);
  d.push_back({"jit", [] { jitted(x()); }});
  d.push_back({"a fresh jit", [] { tn::jit(f)(x()); }});
  d.push_back({"trace and parse",
               [] {
                 const auto traced = tn::trace(f, x());
                 tn::parse(traced.ir())({x()});
               },
               1});
  d.push_back({"grad", [] { tn::grad(f)(x()); }});
  d.push_back({"jvp", [] { tn::jvp(f, x(), x()); }});
  d.push_back({"vjp", [] { tn::vjp(f, x()).second(tn::ones({})); }});
  d.push_back({"backward", [] {
                 Tensor t = x().detach();
                 t.set_requires_grad(true);
                 f(t).backward();
               }});
  d.push_back({"cond", [] {
                 const auto twice = [](const Tensor& t) { return t * 2; };
                 tn::cond(tn::tensor(true), twice, twice, x());
               }});
  d.push_back({"scan", [] {
                 const auto step = [](const Tensor& s, const Tensor& row) { return std::make_pair(s + row, s); };
                 tn::scan(step, tn::zeros({6}), x());
               }});
  d.push_back({"while_loop", [] {
                 const auto below = [](const Tensor& t) { return t < 3; };
                 tn::while_loop(below, [](const Tensor& t) { return t + 1; }, tn::zeros({}));
               }});
  d.push_back({"sgd", [] { tn::optim::sgd(x(), x(), {.rate = 0.1}); }});
  d.push_back({"adamw", [] { tn::optim::adamw(x(), x(), tn::optim::adamw_init(x())); }});
  d.push_back({"explain", [] {
                 static const auto compiled = jitted.lower(x()).compile();
                 compiled.explain(), compiled.kernels(), compiled.memory();
               }});
}

// What was thrown that is no tenon::Error; empty when nothing was.
std::string strange(const Door& door) {
  try {
    door.call();
  } catch (const tn::Error&) {
  } catch (const std::bad_alloc&) {
    return "std::bad_alloc";
  } catch (const std::exception& e) {
    return e.what();
  }
  return "";
}

TEST(AllocationFailure, LeavesEveryDoorAsAnError) {
  std::vector<Door> doors;
  elementwise(doors), others(doors), makers(doors), transforms(doors);
  for (const Door& door : doors) {
    door.call();  // compiles
    door.call();
    int found = 0;
    long last = 0;
    for (long after = 0; after < 20000; after += after < 300 ? 1 : after / 30) {
      failed = false;
      allocations_left = after;
      const std::string what = strange(door);
      allocations_left = -1;
      last = after;
      if (!what.empty() && ++found == door.callers + 1)
        ADD_FAILURE() << door.name << ": " << what << ", allocation " << after;
      if (!failed) break;
    }
    EXPECT_FALSE(failed) << door.name << ": more allocations than were tried";
    EXPECT_LE(found, door.callers) << door.name << ", of " << last;
    EXPECT_NO_THROW(door.call()) << door.name;
  }
}

}  // namespace
#endif
