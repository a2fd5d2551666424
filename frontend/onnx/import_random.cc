// Random draws. A program draws the same numbers at every call: those of its seeds, and where a node has none, of its name.
#include <cmath>

#include "tenon/frontend/onnx/families.h"
#include "tenon/frontend/random/random.h"

namespace tenon::onnx {
namespace {

Tensor key_of(Call& c) {
  uint64_t number = 0xcbf29ce484222325;  // FNV-1a of the name of the result
  if (const Attribute* a = c.find("seed"); a != nullptr) {
    number = static_cast<uint64_t>(std::llround(static_cast<double>(a->number) * 65536.0));
  } else if (!c.node.outputs.empty()) {
    for (char ch : c.node.outputs[0]) number = (number ^ static_cast<unsigned char>(ch)) * 0x100000001b3;
  }
  return key(number);
}

Results drawn(Call& c, bool is_normal, const Extents& shape, DType dtype) {
  const tenon::Draw how{.dtype = dtype};
  if (is_normal) return one(normal(key_of(c), shape, how) * c.number("scale", 1) + c.number("mean", 0));
  const double low = c.number("low", 0), high = c.number("high", 1);
  return one(uniform(key_of(c), shape, how) * (high - low) + low);
}

DType like(Call& c) { return dtype_attribute(c, "dtype", is_floating(c.dtype(0)) ? c.dtype(0) : f32); }

}  // namespace

Results import_random_normal(Call& c) { return drawn(c, true, c.integers("shape"), dtype_attribute(c, "dtype", f32)); }
Results import_random_uniform(Call& c) {
  return drawn(c, false, c.integers("shape"), dtype_attribute(c, "dtype", f32));
}
Results import_random_normal_like(Call& c) { return drawn(c, true, c.shape(0), like(c)); }
Results import_random_uniform_like(Call& c) { return drawn(c, false, c.shape(0), like(c)); }

Results import_bernoulli(Call& c) {
  const Tensor p = c.tensor(0);
  return one(random::bernoulli(key_of(c), p, p.shape()).astype(dtype_attribute(c, "dtype", p.dtype())));
}

}  // namespace tenon::onnx
