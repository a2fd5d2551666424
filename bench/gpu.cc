// What compiling for a GPU takes where there is none: NVRTC makes machine code for sm_90, and the cache on disk gives it back, both up
// to the driver. Left out where NVRTC is not installed. What runs on a GPU is measured by the report (bench/gpu_report).
#include <tenon/tenon.h>

#include "tenon/bench/case.h"
#include "tenon/codegen/codegen.h"
#include "tenon/examples/data/mlp.h"
#include "tenon/frontend/transform/program.h"
#include "tenon/ir/base/error.h"
#include "tenon/runtime/cache/disk_cache.h"
#include "tenon/runtime/compile.h"

namespace tenon::bench {
namespace {

std::shared_ptr<const ir::Graph> step() {
  const mlp::Params params = mlp::init(7);
  return trace(mlp::train_step, params, optim::adamw_init(params), zeros({128, 784}).astype(u8),
               zeros({128}).astype(u8))
      .program()
      ->graph;
}

runtime::CompileOptions for_gpu() {
  runtime::CompileOptions options;
  options.target = Target::cuda_sm(90);
  return options;
}

Case of(const char* name, double limit, std::function<std::function<void()>()> make) {
  Case c;
  c.name = name;
  c.unit = Unit::microseconds;
  c.bars = {{"value", false, limit}};
  c.seconds = 6;
  c.prepare = [make = std::move(make)] { return std::vector<Subject>{{fused, make()}}; };
  return c;
}

}  // namespace

void add_gpu() {
  if (!codegen::nvrtc_info().works) return;
  add(of("compile for sm_90, MLP training step", 1e6,
         [] { return [] { runtime::compile_artifact(*step(), for_gpu()); }; }));
  add(of("the same from disk cache, up to the driver", 30e3, [] {
    const auto artifact = runtime::compile_artifact(*step(), for_gpu());
    runtime::disk_cache().store(runtime::program_key(*step(), for_gpu()), artifact.bytes());
    return [] {
      const auto bytes = runtime::disk_cache().load(runtime::program_key(*step(), for_gpu()));
      ensure(bytes && runtime::Artifact::from_bytes(*bytes), "the cache on disk lost a program");
    };
  }));
}

}  // namespace tenon::bench
