// What surrounds kernels: one call of a compiled function, and compiling. A compilation starts from the C++ function:
// tracing, passes, code generation and linking are all in its figure. Nothing here is compared with a loop.
#include <tenon/tenon.h>

#include <functional>

#include "tenon/bench/case.h"
#include "tenon/examples/data/mlp.h"
#include "tenon/frontend/transform/program.h"
#include "tenon/runtime/compile.h"

namespace tenon::bench {
namespace {

Tensor activation(const Tensor& x, const Tensor& w, const Tensor& b) { return gelu(x * w + b); }
Tensor product(const Tensor& x, const Tensor& w) { return matmul(x, w); }

template <class F, class... A>
void compile_again(bool disk, F&& f, const A&... args) {
  runtime::CompileOptions options;
  options.memory_cache = false;
  options.disk_cache = disk;
  const auto executable = runtime::compile(*trace(f, args...).program()->graph, options);
  // The first such call fills the cache on disk.
  static_cast<void>(executable);
}

using Compile = std::function<void(bool disk)>;

void add_compile(const char* name, double limit, const char* published, std::function<Compile()> make) {
  for (bool disk : {false, true}) {
    Case c;
    c.name = disk ? "the same from disk cache" : name;
    c.unit = Unit::microseconds;
    if (!disk) c.published = published;
    if (!disk && limit > 0) c.bars = {{"value", false, limit}};
    c.prepare = [=] { return std::vector<Subject>{{fused, [=, compile = make()] { compile(disk); }}}; };
    add(c);
  }
}

}  // namespace

void add_latencies() {
  Case call;
  call.name = "cached call, x + y of [8]";
  call.unit = Unit::nanoseconds;
  call.published = "1400 (PyTorch)";
  call.bars = {{"value", false, 150}};
  call.prepare = [] {
    const Tensor x = ones({8}), y = ones({8});
    auto compiled = jit([](const Tensor& a, const Tensor& b) { return a + b; });
    return std::vector<Subject>{{fused, [=] { compiled(x, y); }}, {eager, [=] { x + y; }}};
  };
  add(call);
  Case among;  // other signatures take the processor's caches: what a call reads comes from far each time
  among.name = "the same, 10000 signatures in turn";
  among.unit = Unit::nanoseconds;
  among.prepare = [] {
    const Tensor x = ones({8});
    auto compiled = jit([](const Tensor& a, int n) { return a + static_cast<float>(n & 1); });
    constexpr int count = 10000;
    for (int n = 0; n < count; ++n) compiled(x, n);
    return std::vector<Subject>{{fused, [=, n = 0]() mutable { compiled(x, n = (n + 7919) % count); }}};
  };
  add(among);
  add_compile("compile, one kernel (gelu)", 5000, "37000 (JAX)", [] {
    return [x = ones({256, 256}), w = ones({256})](bool disk) { compile_again(disk, activation, x, w, w); };
  });
  add_compile("compile, contraction of a free batch", 8000, "", [] {
    return [x = spec({dim("rows_of_batch", 1, 4096), 784}, f32), w = spec({784, 512}, f32)](bool disk) {
      compile_again(disk, product, x, w);
    };
  });
  add_compile("compile, contraction of free extents", 0, "", [] {
    const Dim m = dim("rows"), n = dim("columns"), k = dim("inner");
    return [x = spec({m, k}, f32), w = spec({k, n}, f32)](bool disk) { compile_again(disk, product, x, w); };
  });
  add_compile("compile, MLP training step", 0, "250000 (JAX)", [] {
    const mlp::Params params = mlp::init(7);
    return [=, state = optim::adamw_init(params), images = zeros({128, 784}).astype(u8),
            labels = zeros({128}).astype(u8)](bool disk) {
      compile_again(disk, mlp::train_step, params, state, images, labels);
    };
  });
}

}  // namespace tenon::bench
