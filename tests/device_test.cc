// The door of devices: with a device whose memory the host cannot touch, everything that the frontend offers gives the bits
// that it gives on the CPU. Whatever looked into device memory directly would end the process, which the last test shows.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <tenon/tenon.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "tenon/codegen/codegen.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/reference/array.h"
#include "tenon/runtime/compile.h"
#include "tenon/tests/simulated_device.h"

namespace tenon::testing {
namespace {

using Tensors = std::vector<Tensor>;

const runtime::Buffer& memory_of(const Tensor& t) { return *t.cell()->slot->buffer(); }

// Types, bits and what is printed of each.
std::string shown(const Tensors& tensors) {
  std::ostringstream out;
  for (const Tensor& t : tensors) {
    out << t << "\n";
    for (const unsigned char c : memory_of(t).bytes()) out << static_cast<int>(c) << " ";
    out << "\n";
  }
  return out.str();
}

// The same on both devices, and nothing left behind.
void expect_same(const std::function<std::string()>& f) {
  const std::string expected = f();
  const uint64_t live = device_counts().bytes_live;
  std::string actual;
  {
    const OnSimulatedDevice device;
    reset_device_counts();
    actual = f();
    EXPECT_GT(device_counts().runs + device_counts().copies_in, 0u) << "the device was not asked";
  }
  EXPECT_EQ(actual, expected);
  EXPECT_FALSE(expected.empty());
  EXPECT_EQ(device_counts().bytes_live, live) << "memory of the device was not given back";
}
void expect_same(const std::function<Tensors()>& f) {
  expect_same(std::function<std::string()>([&] { return shown(f()); }));
}

Tensor some(std::vector<int64_t> shape, uint64_t seed = 1) { return normal(key(seed), Shape::from(shape)); }

struct Model {
  Tensor w, b;
};
Tensor loss(const Model& m, const Tensor& x) { return mean(gelu(linear(x, m.w, m.b)) * x); }
Model model() { return {some({9, 9}, 3), some({9}, 4)}; }

TEST(Device, TensorsFromDataGoInAndOut) {
  expect_same(std::function<std::string()>([] {
    std::ostringstream out;
    const std::vector<double> values = {0, 1, -2, 3.5, 1e30, -0.0};
    for (int t = 0; t < dtype_count; ++t) {
      const auto x = tensor(std::vector<double>{0, 1, 2, 3.5}).astype(static_cast<DType>(t));
      out << x << " " << x[1].item<double>() << " " << x.to_vector<int>()[2] << shown({x});
    }
    const auto x = copy_from(values.data(), {2, 3}, f64);
    for (const float v : x.to_vector<float>()) out << v << " ";
    out << shown({x, zeros({0, 4}), tensor({true, false}), tensor(7), full({3}, 2.5)});
    out << shown({from_blob(values.data(), {6}, f64) * 2, from_blob(values.data(), {6}, f64)});
    return out.str();
  }));
}

TEST(Device, EagerOps) {
  expect_same(std::function<Tensors()>([] {
    const auto x = some({33, 70}), y = some({33, 70}, 2);
    const auto index = argsort(x);
    return Tensors{x + y * 2,
                   exp(x) / cosh(y),
                   sum(x),
                   sum(x, {.axes = {0}}),
                   softmax(x),
                   matmul(x, transpose(y, {1, 0})),
                   concat({x, y})[{slice(3, 40), 5}],
                   sort(x),
                   take(x, index[0], 1),
                   cumsum(x),
                   where(x > y, x, 0).astype(bf16),
                   split(key(5)).first,
                   split(key(5), 4)[3],
                   uniform(key(6), {50}),
                   argmax(x)};
  }));
}

TEST(Device, FunctionsThatAreCompiled) {
  expect_same(std::function<Tensors()>([] {
    const auto captured = some({9});
    const auto f = jit([&](const Model& m, const Tensor& x) {
      return std::make_tuple(loss(m, x), Model{m.w * 2, m.b + captured}, sum(x, {.axes = {0}}));
    });
    const auto scanned = jit([](const Tensor& xs) {
      return scan([](const Tensor& c, const Tensor& v) { return std::make_pair(c + sum(v), c * v); }, tensor(0.f), xs);
    });
    const auto x = some({12, 9});
    const auto [value, next, total] = f(model(), x);
    const auto [last, rows] = scanned(x);
    std::vector<Tensor> many;
    for (int i = 0; i < 20; ++i) many.push_back(x + i);
    const auto wide = jit([](const std::vector<Tensor>& all) {
      std::vector<Tensor> out;
      for (const Tensor& t : all) out.push_back(t * t);
      return out;
    })(many);
    const auto chosen =
        cond(x[{0, 0}] > 0, [](const Tensor& t) { return t * 10; }, [](const Tensor& t) { return t + 1; }, x);
    return Tensors{value, next.w, next.b, total, last, rows, wide[0], wide[19], chosen};
  }));
}

TEST(Device, Gradients) {
  expect_same(std::function<Tensors()>([] {
    const auto x = some({12, 9});
    const auto [value, gradient] = value_and_grad(loss)(model(), x);
    const auto [y, dy] = jvp([](const Tensor& t) { return tanh(t) * t; }, x, ones({12, 9}));
    Model m = model();
    m.w.set_requires_grad(true), m.b.set_requires_grad(true);
    const auto step = jit(loss);
    for (int i = 0; i < 3; ++i) {  // gradients add up
      const auto l = loss(m, x) + step(m, x * i);
      l.backward({.retain_graph = true});
      l.backward();
      const NoGrad off;
      m.b -= m.b.grad() * 0.1;
    }
    return Tensors{value, gradient.w, gradient.b, y, dy, m.w.grad(), m.b.grad(), m.b};
  }));
}

TEST(Device, Donation) {
  expect_same(std::function<Tensors()>([] {
    const auto f = jit([](const Tensor& x) { return x * 2 + 1; }, {.donate = {0}});
    const auto x = some({1000});
    const void* memory = memory_of(x).address();
    const auto y = f(x);
    EXPECT_EQ(memory_of(y).address(), memory);
    EXPECT_THROW(x.to_vector<float>(), Error);
    const auto z = y.detach();  // somebody else holds y
    const auto w = f(y);
    EXPECT_NE(memory_of(w).address(), memory_of(z).address());
    return Tensors{z, w};
  }));
}

TEST(Device, Assignment) {
  expect_same(std::function<Tensors()>([] {
    auto x = some({4, 5});
    const auto copy = x;
    x.data() *= 3;
    x.data() = x + 1;
    x[{1, 2}] = 7;
    x[0] += copy[3];
    x -= 1;
    return Tensors{x, copy};
  }));
}

TEST(Device, Files) {
  const auto path =
      (std::filesystem::temp_directory_path() / ("tenon-device-" + std::to_string(getpid()) + ".npy")).string();
  expect_same(std::function<Tensors()>([&] {
    const auto x = some({7, 3});
    save_npy(path, x);
    return Tensors{load_npy(path) + 1, load_npy(path)};
  }));
  std::filesystem::remove(path);
}

// Saved programs are for processors, wherever the tensors are that they were traced with.
TEST(Device, SavedPrograms) {
  const auto folder = std::filesystem::temp_directory_path() / ("tenon-device-" + std::to_string(getpid()));
  expect_same(std::function<std::string()>([&] {
    const auto captured = some({3});
    const auto f = jit([&](const Tensor& x) { return x * captured; });
    std::string text;
    for (const bool native : {false, true}) {
      aot::save(f, {.name = "device_saved", .out = folder.string(), .archive = true, .native = native}, some({5, 3}));
      for (const char* ending : {".o", ".h", ".a"}) {
        std::ifstream file(folder / (std::string("device_saved") + ending), std::ios::binary);
        text.append(std::istreambuf_iterator<char>(file), {});
      }
    }
    return text;
  }));
  std::filesystem::remove_all(folder);
}

int32_t doubled(const void* const* inputs, void* const* outputs) {
  for (int i = 0; i < 4; ++i) static_cast<float*>(outputs[0])[i] = 2 * static_cast<const float*>(inputs[0])[i];
  return 0;
}

TEST(Device, CustomCalls) {
  register_custom_call("device_test_doubled", doubled);
  expect_same(std::function<Tensors()>([] {
    const Tensor in = some({4}), like = spec({4}, f32);
    return Tensors{custom_call({.name = "device_test_doubled"}, std::span(&in, 1), std::span(&like, 1))[0] + 1};
  }));
}

TEST(Device, Programs) {
  const auto graph = ir::parse(
      "symbol n in [1, 64]\ngraph @main(%0: f32[n, 3], %1: f32[3]) -> (%2, %3) {\n  %2 = broadcast %1 {shape = [n, 3], "
      "axes = "
      "[1]} : f32[n, 3]\n  %3 = add %0, %2 : f32[n, 3]\n}\n");
  expect_same(std::function<std::string()>([&] {
    std::vector<ir::Array> inputs;
    inputs.emplace_back(ir::Type{f32, {5, 3}});
    inputs.emplace_back(ir::Type{f32, {3}});
    for (ir::Array& a : inputs)
      for (size_t i = 0; i < a.data.size(); i += 4) a.data[i + 3] = static_cast<unsigned char>(60 + i);
    std::string out;
    for (const runtime::CompileOptions& options :
         {runtime::CompileOptions{}, runtime::CompileOptions{.donations = {{0, 1}}}})
      for (const ir::Array& a : runtime::compile(*graph, options)->run(inputs))
        out.append(a.data.begin(), a.data.end());
    return out;
  }));
}

// What moves between host and device: what is asked for, and nothing else.
TEST(Device, CopiesAreCounted) {
  const OnSimulatedDevice device;
  auto x = some({100});
  const auto f = jit([](const Tensor& a) { return sin(a) * 2; }, {.donate = {0}});
  f(some({100}));
  reset_device_counts();
  const auto expect = [](uint64_t in, uint64_t out, uint64_t inside, const char* what) {
    const DeviceCounts c = device_counts();
    EXPECT_EQ(c.copies_in, in) << what;
    EXPECT_EQ(c.copies_out, out) << what;
    EXPECT_EQ(c.copies_inside, inside) << what;
    reset_device_counts();
  };
  const std::vector<float> data(100, 1.5f);
  auto y = copy_from(data.data(), {100}, f32);
  expect(1, 0, 0, "a tensor from data");
  y = exp(x + y) * y;
  expect(0, 0, 0, "eager ops");
  y = y / 3;
  expect(1, 0, 0, "a number among the operands is a tensor of one element");
  y = f(y);
  expect(0, 0, 0, "a call that takes a donated tensor");
  const auto held = y.detach();
  f(y);
  expect(0, 0, 1, "a call that must copy a donated tensor");
  x.set_requires_grad(true);
  sum(sin(x) * held).backward();
  expect(1, 0, 0, "backward, which starts from the number 1");
  EXPECT_EQ(sum(x.grad()).item(), sum(x.grad()).to_vector<double>()[0]);
  expect(0, 2, 0, "item and to_vector");
  EXPECT_FALSE(to_string(held).empty());
  expect(0, 1, 0, "printing");
}

TEST(Device, TheDoorIsShutElsewhere) {
  const auto here = some({10});
  EXPECT_EQ(here.raw(), memory_of(here).host_data());
  const OnSimulatedDevice device;
  const auto x = some({10});
  EXPECT_THROW(memory_of(x).host_data(), InternalError);
  EXPECT_THROW(x.raw(), InternalError);
  const runtime::HostView view(memory_of(x));
  EXPECT_EQ(std::string(static_cast<const char*>(view.data()), 40), memory_of(x).bytes());
  // Memory of one device given to another.
  float values[10];
  EXPECT_THROW(simulated_device().copy_out(simulated_device(), values, here.raw(), 40), InternalError);
  EXPECT_THROW(x + here, Error);
  EXPECT_THROW(const_cast<runtime::Buffer&>(memory_of(x)).copy(memory_of(here)), InternalError);
}

TEST(Device, AKindThatIsNotThereIsNamed) {
  const auto graph = ir::parse("graph @main(%0: f32[8]) -> (%1) {\n  %1 = neg %0 : f32[8]\n}\n");
  runtime::CompileOptions options;
  options.target = Target::cuda_sm(90);
  const auto words = [&](const std::function<void()>& f) -> std::string {
    try {
      f();
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_NE(words([&] { runtime::compile(*graph, options); }).find("cuda:0 cannot be used"), std::string::npos);
  runtime::Artifact artifact = runtime::compile_artifact(*graph);
  artifact.manifest.kind = TargetKind::cuda;
  EXPECT_NE(words([&] { runtime::load(artifact); }).find("cuda:0 cannot be used"), std::string::npos);
  const OnSimulatedDevice device;
  EXPECT_EQ(runtime::compile(*graph, options)->manifest().kind, TargetKind::cuda);
  EXPECT_EQ(&runtime::compile(*graph)->device(), &simulated_device());
  options.target = Target::portable();
  EXPECT_TRUE(runtime::compile(*graph, options)->device().host_addressed) << "the target chooses";
}

TEST(Device, FollowingAnAddressInTheHostEndsTheProcess) {
  const OnSimulatedDevice device;
  const auto x = some({10});
  const auto* address = static_cast<const volatile char*>(memory_of(x).address());
  const pid_t child = fork();
  if (child == 0) {
    fclose(stderr);  // what a sanitizer has to say of it
    static_cast<void>(*address);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

}  // namespace
}  // namespace tenon::testing
