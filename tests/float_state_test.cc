// The host's floating-point state stays outside: every door computes the same bits whatever rounding mode, flushing of subnormals
// or unmasked traps the calling thread has, and leaves that state, flags included, as it was, also when it throws.
#include <fenv.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "temporary_folder.h"
#include "tenon/ir/reference/array.h"
#include "tenon/runtime/compile.h"
#include "tenon/tenon.h"

#if defined(__x86_64__)
#include <xmmintrin.h>

namespace tn = tenon;
namespace {

using tn::Tensor;

// Compiling anew each time is the point.
[[maybe_unused]] const int no_cache = setenv("TENON_CACHE", "0", 1);

// ---- host states: what a control word can be

struct HostState {
  const char* name;
  uint32_t mxcsr;
  uint16_t x87;
  bool severe = false;
};
constexpr HostState states[] = {
    {"fast math: subnormals flushed", 0x1f80 | 0x8040, 0x37f},
    {"round down", 0x1f80 | 0x2000, 0x77f},
    {"round up", 0x1f80 | 0x4000, 0xb7f},
    {"round to zero", 0x1f80 | 0x6000, 0xf7f},
    {"every trap unmasked", 0x0000, 0x340},
    {"all at once", 0x8040 | 0x4000, 0xb40, true},
    {"flags raised", 0x1f80 | 0x003f, 0x37f},
};

struct Words {
  uint32_t mxcsr;
  uint16_t x87;
  bool operator==(const Words&) const = default;
};
Words read_words() {
  Words w{_mm_getcsr(), 0};
  __asm__ volatile("fnstcw %0" : "=m"(w.x87));
  return w;
}
void set_words(Words w) {
  __asm__ volatile("fnclex\n fldcw %0" ::"m"(w.x87));
  _mm_setcsr(w.mxcsr);
}

// ---- doors: each gives bytes that depend on every float it computes or converts

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}
std::string bytes_of(const Tensor& t) {
  const size_t size = static_cast<size_t>(t.numel()) * static_cast<size_t>(tn::bytes(t.dtype()));
  return {static_cast<const char*>(t.raw()), size};
}

const std::string& folder() {
  static const struct Folder {
    std::string path = tenon::testing::temporary_folder("float-state");
    ~Folder() { std::filesystem::remove_all(path); }
  } only;
  return only.path;
}

const std::vector<float> sample = {1e-40f, -3e-42f, 0.1f, 3e38f, 1.5f, -7.0f, 1.17549435e-38f, 16777217.0f};
Tensor some() { return tn::tensor(sample); }
Tensor wide() { return some().astype(tn::f64) / 3; }

struct Door {
  const char* name;
  std::function<std::string()> call;
  bool compiles;  // much: it meets the states that hold all others
};
struct Doors {
  std::vector<Door> all;
  bool compiles = false;
  void add(const char* name, std::function<std::string()> call) { all.push_back({name, std::move(call), compiles}); }
};

void literals(Doors& d) {
  d.add("subnormal literal", [] { return bytes_of(some() + 1e-40f); });
  d.add("subnormal double literal", [] { return bytes_of(some() * 1e-39); });
  d.add("rounded literal", [] { return bytes_of(some() * 0.1); });
  d.add("long double literal", [] { return bytes_of(wide() * 0.1L); });
  d.add("integer literal beside floats", [] { return bytes_of(some() + 16777217); });
  d.add("large integer literal", [] { return bytes_of(wide() + (int64_t{1} << 53) + 1); });
  d.add("literal of a half", [] { return bytes_of(some().astype(tn::f16) * 1.0009765625 + 1e-7); });
  d.add("integers beside a float", [] { return bytes_of(tn::tensor({1, 16777217, 3}) + 0.1); });
  d.add("full", [] { return bytes_of(tn::full({3}, 1e-41)) + bytes_of(tn::full({2}, 0.3, {.dtype = tn::bf16})); });
  d.add("tensor", [] { return bytes_of(tn::tensor(1e-41f)) + bytes_of(tn::tensor({0.1, 1e-320})); });
  d.add("arange", [] { return bytes_of(tn::arange(0.0, 1.0, 0.1)) + bytes_of(tn::arange(1e-40, 4e-40, 1e-40)); });
  d.add("pad", [] { return bytes_of(tn::pad(some(), {{1, 1}}, 1e-40)) + bytes_of(tn::pad(some(), {{1, 1}}, 0.1)); });
  d.add("clip", [] { return bytes_of(tn::clip(some(), 1e-41, 0.3)); });
  d.add("assignment", [] {
    Tensor x = some();
    x[0] = 1e-41;
    x[1] += 0.1;
    x *= 0.7;
    return bytes_of(x);
  });
}

void reading(Doors& d) {
  d.add("item",
        [] { return bytes_of(std::vector{tn::tensor(1e-40f).item<double>(), tn::tensor(0.1).item<double>()}); });
  d.add("to_vector, widened", [] { return bytes_of(some().to_vector<double>()); });
  d.add("to_vector, narrowed", [] { return bytes_of(wide().to_vector<float>()); });
  d.add("to_vector of integers", [] { return bytes_of(tn::tensor({16777217, -16777219}).to_vector<float>()); });
  d.add("to_vector as integers", [] { return bytes_of(some().to_vector<int32_t>()); });
  d.add("to_vector of halves", [] { return bytes_of((some() / 7).astype(tn::f16).to_vector<double>()); });
  d.add("print", [] { return to_string(some()) + to_string(wide()) + to_string(some().astype(tn::bf16)); });
  d.add("print small ones",
        [] { return to_string(tn::tensor({1e-40f, 2.5e-41f})) + to_string(tn::tensor({0.125f, 2.0f})); });
  d.add("npy", [] {
    const std::string file = folder() + "/x.npy";
    tn::save_npy(file, some());
    return bytes_of(tn::load_npy(file));
  });
  d.add("safetensors", [] {
    const std::string file = folder() + "/x.safetensors";
    tn::save(file, some());
    return bytes_of(tn::load(file, tn::zeros_like(some()))) + bytes_of(tn::load_safetensors(file).at(""));
  });
}

Tensor composed(const Tensor& x) {
  const Tensor c = tn::full({8}, 0.1) * tn::full({8}, 1e-39f) + 1.0 / 3;
  return tn::exp(-x * x * 1e-30) * c + tn::sqrt(tn::full({8}, 2.0)) * 1e-40f + x / 3;
}

void programs(Doors& d) {
  d.add("eager", [] { return bytes_of(composed(some())); });
  d.add("eager functions", [] {
    const Tensor x = tn::reshape(some(), {2, 4});
    return bytes_of(tn::softmax(x)) + bytes_of(tn::gelu(x)) + bytes_of(tn::var(x)) + bytes_of(tn::layer_norm(x, 1, 0));
  });
  d.add("jit", [] { return bytes_of(tn::jit(composed)(some())); });
  d.add("jit without fusion", [] { return bytes_of(tn::jit(composed, {.fuse = false})(some())); });
  d.add("trace", [] {
    const auto traced = tn::trace(composed, some());
    return traced.ir() + bytes_of(traced({some()})[0]);
  });
  d.add("parse", [] {
    const auto traced = tn::parse(
        "graph @main(%0: f32[2]) -> (%3) {\n"
        "  %1 = constant {dtype = f32, shape = [2], value = [1e-40, 0.1]} : f32[2]\n"
        "  %2 = mul %0, %1 : f32[2]\n  %3 = add %2, %1 : f32[2]\n}\n");
    return traced.ir() + bytes_of(traced({tn::tensor({0.3f, 0.7f})})[0]);
  });
  d.add("parse halves", [] {
    return tn::parse(
               "graph @main() -> (%0) {\n"
               "  %0 = constant {dtype = f16, shape = [3], value = [0.1, 6e-08, 65519]} : f16[3]\n}\n")
        .ir();
  });
  d.add("grad", [] {
    return bytes_of(tn::grad([](const Tensor& x) { return tn::sum(composed(x) * tn::sin(x * 1e-20)); })(some()));
  });
  d.add("jvp", [] { return bytes_of(tn::jvp(composed, some(), tn::tensor(std::vector<float>(8, 0.1f))).second); });
  d.add("vjp", [] {
    auto [value, pull] = tn::vjp(composed, some());
    return bytes_of(pull(value));
  });
  d.add("backward", [] {
    Tensor x = some();
    x.set_requires_grad(true);
    tn::sum(composed(x) * 0.1).backward();
    return bytes_of(x.grad());
  });
  d.add("scan", [] {
    const auto step = [](const Tensor& s, const Tensor& row) { return std::make_pair(s * 0.9 + row * 1e-40f, s / 3); };
    const auto [last, all] = tn::scan(step, tn::full({}, 0.1), some());
    return bytes_of(last) + bytes_of(all);
  });
  d.add("cond", [] {
    return bytes_of(tn::cond(
        tn::tensor(true), [](const Tensor& x) { return x * 0.1 + 1e-40f; }, [](const Tensor& x) { return x; }, some()));
  });
  d.add("while_loop", [] {
    return bytes_of(tn::while_loop([](const Tensor& x) { return x > 1e-40f; }, [](const Tensor& x) { return x * 0.1f; },
                                   tn::full({}, 1.0)));
  });
  d.add("random", [] {
    const Tensor key = tn::key(7);
    return bytes_of(tn::uniform(key, {5})) + bytes_of(tn::normal(key, {5}, {.dtype = tn::f64})) +
           bytes_of(tn::split(key).second);
  });
  d.add("optimizers", [] {
    const Tensor p = some(), g = some() * 0.5;
    auto [q, state] = tn::optim::adamw(p, g, tn::optim::adamw_init(p), {.rate = 1e-3, .beta1 = 0.9});
    return bytes_of(q) + bytes_of(state.second) + bytes_of(tn::optim::sgd(p, g, {.rate = 0.1}));
  });
  d.add("training", [] {
    const Tensor p = some(), g = some() * 0.5, rate = tn::optim::cosine(3, {.rate = 0.1, .steps = 7, .warmup = 2});
    const auto state = tn::optim::adam_init(p, {.amsgrad = true});
    auto [q, next] = tn::optim::adam(p, g, state, {.rate = rate, .beta1 = 0.85, .amsgrad = true});
    const auto loss = [](const Tensor& x) { return tn::huber_loss(x, 0.1, {.delta = 0.3}); };
    return bytes_of(q) + bytes_of(tn::optim::clip_by_norm(g, 0.1)) + bytes_of(tn::optim::ema(p, g, 0.9)) +
           bytes_of(loss(p)) + bytes_of(tn::optim::minimize(loss, p, {.rate = 0.7, .iterations = 2}));
  });
}

void looking(Doors& d) {
  d.add("explain", [] { return tn::jit(composed).lower(some()).compile().explain(); });
  d.add("kernels", [] {
    std::string text;
    for (const tn::KernelInfo& k : tn::jit(composed).lower(some()).compile().kernels()) text += k.bytes_read + k.flops;
    return text + tn::jit(composed).lower(some()).program();
  });
  d.add("aot::save", [] {
    tn::aot::save(tn::jit(composed).lower(some()), {.name = "composed", .out = folder()});
    std::stringstream bytes;
    bytes << std::ifstream(folder() + "/composed.o", std::ios::binary).rdbuf();
    return bytes.str();
  });
  d.add("interpret", [] {
    tn::ir::Array x(tn::ir::Type{tn::f32, {8}});
    std::copy_n(reinterpret_cast<const unsigned char*>(sample.data()), 32, x.data.begin());
    static const auto graph = tn::ir::parse(tn::trace(composed, some()).ir());
    const auto out = tn::ir::interpret(*graph, std::span(&x, 1));
    return std::string(out[0].data.begin(), out[0].data.end());
  });
  struct Rates {
    Tensor x;
    double rate;
  };
  d.add("the text of numbers in errors", [] {
    const auto other = [](const Rates& r) { return Rates{r.x, 1e-310 + 0.1f}; };
    try {
      tn::cond(tn::tensor(true), [](const Rates& r) { return r; }, other, Rates{some(), 0.1});
    } catch (const tn::Error& e) {
      return e.message().substr(0, e.message().find("(near"));
    }
    return std::string("no error");
  });
}

void failing(Doors& d) {
  const auto message = [](std::function<void()> call) {
    return [call] {
      try {
        call();
      } catch (const tn::Error& e) {
        return e.message();
      }
      return std::string("no error");
    };
  };
  d.add("item of two", message([] { tn::tensor({1e-40f, 2.0f}).item(); }));
  d.add("shapes that do not fit", message([] { some() + tn::ones({3}); }));
  d.add("beta out of range",
        message([] { tn::optim::adamw(some(), some(), tn::optim::adamw_init(some()), {.beta1 = 1.1}); }));
  d.add("bad text", message([] {
          tn::parse("graph @main() -> (%0) { %0 = constant {dtype = f32, shape = [1], value = [1e999]}");
        }));
  d.add("inside a trace", message([] { tn::jit([](const Tensor& x) { return x * x.item(); })(some()); }));
}

std::vector<Door> all_doors() {
  Doors d;
  literals(d), reading(d), failing(d);
  d.compiles = true;
  programs(d), looking(d);
  return std::move(d.all);
}

TEST(FloatState, EveryDoorComputesTheSameBitsAndLeavesTheHostAlone) {
  const Words usual = read_words();
  for (const Door& door : all_doors()) {
    tn::runtime::clear_memory_cache();
    const std::string expected = door.call();
    for (const HostState& state : states) {
      if (door.compiles && !state.severe) continue;
      tn::runtime::clear_memory_cache();
      const Words host{state.mxcsr, state.x87};
      set_words(host);
      const std::string found = door.call(), again = door.call();  // the second time from the caches
      const Words after = read_words();
      set_words(usual);
      EXPECT_TRUE(found == expected && again == expected) << door.name << ", " << state.name;
      EXPECT_EQ(after.mxcsr, host.mxcsr) << door.name << ", " << state.name;
      EXPECT_EQ(after.x87, host.x87) << door.name << ", " << state.name;
    }
  }
}

// A traced function is the caller's code: it runs in the caller's state.
TEST(FloatState, TracedFunctionsRunInTheHostsState) {
  const Words usual = read_words(), host{0x1f80 | 0x6000, 0xf7f};
  Words seen{};
  set_words(host);
  tn::jit([&](const Tensor& x) {
    seen = read_words();
    return x * 2;
  })(some());
  set_words(usual);
  EXPECT_EQ(seen, host);
}

}  // namespace
#endif
