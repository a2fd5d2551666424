// What the frontend does with tensors and programs, as texts that every device must give alike.
#include "tenon/tests/device_battery.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/reference/array.h"
#include "tenon/runtime/compile.h"

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

std::function<std::string()> tensors(const std::function<Tensors()>& f) {
  return [f] { return shown(f()); };
}

Tensor some(std::vector<int64_t> shape, uint64_t seed = 1) { return normal(key(seed), Shape::from(shape)); }

struct Model {
  Tensor w, b;
};
Tensor loss(const Model& m, const Tensor& x) { return mean(gelu(linear(x, m.w, m.b)) * x); }
Model model() { return {some({9, 9}, 3), some({9}, 4)}; }

void tensors_from_data_go_in_and_out(const Same& same) {
  same(std::function<std::string()>([] {
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

void eager_ops(const Same& same) {
  same(tensors([] {
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

void functions_that_are_compiled(const Same& same) {
  same(tensors([] {
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

void gradients(const Same& same) {
  same(tensors([] {
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

void donation(const Same& same) {
  same(tensors([] {
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

void assignment(const Same& same) {
  same(tensors([] {
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

void files(const Same& same) {
  const auto path =
      (std::filesystem::temp_directory_path() / ("tenon-device-" + std::to_string(getpid()) + ".npy")).string();
  same(tensors([&] {
    const auto x = some({7, 3});
    save_npy(path, x);
    return Tensors{load_npy(path) + 1, load_npy(path)};
  }));
  same(tensors([&] {
    const std::pair tree{some({7, 3}), some({2}).astype(bf16)};
    save(path, tree);
    const auto back = load(path, std::pair{zeros({7, 3}), zeros({2}, {.dtype = bf16})});
    return Tensors{back.first + 1, back.second, load_safetensors(path).at("second")};
  }));
  std::filesystem::remove(path);
}

void saved_programs(const Same& same) {
  const auto folder = std::filesystem::temp_directory_path() / ("tenon-device-" + std::to_string(getpid()));
  same(std::function<std::string()>([&] {
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

void custom_calls(const Same& same) {
  register_custom_call("device_test_doubled", doubled);
  same(tensors([] {
    const Tensor in = some({4}), like = spec({4}, f32);
    const auto doubled_row = [&](const Tensor& x) {
      return custom_call({.name = "device_test_doubled"}, std::span(&x, 1), std::span(&like, 1))[0];
    };
    const auto over_rows = jit([&](const Tensor& xs, bool reverse) {
      const auto body = [&](const Tensor& c, const Tensor& x) {
        const Tensor y = doubled_row(x);
        return std::make_pair(c + y, y);
      };
      return scan(body, zeros({4}), xs, {.reverse = reverse});
    });
    const auto [forth, rows] = over_rows(some({5, 4}), false);
    const auto [back, reversed] = over_rows(some({5, 4}), true);
    return Tensors{doubled_row(in) + 1, forth, rows, back, reversed};
  }));
}

void programs(const Same& same) {
  const auto graph = ir::parse(
      "symbol n in [1, 64]\ngraph @main(%0: f32[n, 3], %1: f32[3]) -> (%2, %3) {\n  %2 = broadcast %1 {shape = [n, 3], "
      "axes = "
      "[1]} : f32[n, 3]\n  %3 = add %0, %2 : f32[n, 3]\n}\n");
  same(std::function<std::string()>([&] {
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

}  // namespace

const std::vector<DeviceCase>& device_battery() {
  static const std::vector<DeviceCase> all = {
      {"TensorsFromDataGoInAndOut", tensors_from_data_go_in_and_out},
      {"EagerOps", eager_ops},
      {"FunctionsThatAreCompiled", functions_that_are_compiled},
      {"Gradients", gradients},
      {"Donation", donation},
      {"Assignment", assignment},
      {"Files", files},
      {"SavedPrograms", saved_programs},
      {"CustomCalls", custom_calls},
      {"Programs", programs},
  };
  return all;
}

}  // namespace tenon::testing
