// Dropout: of elements, of whole channels, and the kind that keeps mean and variance (alpha dropout). An element, or a channel, is kept where
// its uniform number is p or more. Refuses a p that is no probability, and operands without channels.
#include <cmath>
#include <string>

#include "tenon/frontend/random/draw.h"
#include "tenon/frontend/random/random.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace formula {
namespace {

struct Dropped {
  Value x, p, kept;
  DType dtype;
};

// Inputs: the key, x, p. Of the axes from `axes` on each element goes with the others (-1: each by itself).
Dropped draw(Values in, const ir::Attrs& attrs, int axes) {
  const ir::RandomBits to(attrs);
  const DType computed = wide(to.dtype);
  const Shape shape(to.shape);
  const Value x = cast(in[1], computed), p = stretched(in[2], computed, shape);
  Shape drawn;
  std::vector<int64_t> places;
  for (int i = 0; i < (axes < 0 ? shape.rank() : axes); ++i) drawn.push_back(shape[i]), places.push_back(i);
  const Value u = unit_interval(bits(in[0], draw_space, word(computed), drawn), computed);
  return {x, p, ge(axes < 0 ? u : broadcast(u, shape, places), p), to.dtype};
}

std::vector<Value> dropped(const Dropped& d) { return {cast(select(d.kept, d.x / (1 - d.p), like(d.x, 0)), d.dtype)}; }
std::vector<Value> build_dropout(ir::GraphBuilder&, Values in, const ir::Attrs& attrs) {
  return dropped(draw(in, attrs, -1));
}
// Of x [n, channels, extents..] or [channels, extents..], there being so many extents.
template <int extents>
std::vector<Value> build_channels(ir::GraphBuilder&, Values in, const ir::Attrs& attrs) {
  return dropped(draw(in, attrs, in[1].shape().rank() - extents));
}

// What is dropped becomes the limit of selu on its left, -s; then a x + b brings mean and variance back to what they were.
constexpr double selu_limit = 1.7580993408473766;
std::vector<Value> alpha_dropped(const Dropped& d) {
  const Value none = like(d.p, 0), all = like(d.p, 1);
  const Value a = select(lt(d.p, all), rsqrt((1 - d.p) * (d.p * (selu_limit * selu_limit) + 1)), none);
  return {cast(select(d.kept, d.x, like(d.x, -selu_limit)) * a + a * d.p * selu_limit, d.dtype)};
}
std::vector<Value> build_alpha_dropout(ir::GraphBuilder&, Values in, const ir::Attrs& attrs) {
  return alpha_dropped(draw(in, attrs, -1));
}
std::vector<Value> build_feature_alpha_dropout(ir::GraphBuilder&, Values in, const ir::Attrs& attrs) {
  return alpha_dropped(draw(in, attrs, 2));
}

}  // namespace
}  // namespace formula

namespace random {
namespace {

// least, most: how many axes x may have; wants: how they are called.
Tensor dropped(const Emit& emit, const Tensor& key, const Operand& x, const Operand& p, int least = 0,
               int most = INT32_MAX, const char* wants = "") try {
  const Location& at = x.where();  // of layers that of their caller
  const std::string name = emit.name;
  if (p.weak() != Operand::Weak::no && !(p.floating() >= 0 && p.floating() <= 1))
    throw Error(name + ": p is a probability, and " + std::to_string(p.floating()) + " is none", at);
  const Tensor t = as_tensor(x, emit.name);
  check_real(t.dtype(), emit.name, at);
  if (t.ndim() < least || t.ndim() > most)
    throw Error(name + ": takes " + wants + ", whose channels are kept or dropped as a whole, and not " + describe(t),
                at);
  const DType dtype = formula::floating(t.dtype());
  const Operand given(t, x.where());
  return draw_with(emit, key, {&given, &p}, dtype, Extents(t.shape()).checked(emit.name, formula::word(dtype), at), at);
} catch (...) {
  leave_with_error(emit.name, x.where());
}

}  // namespace

Tensor dropout(const Tensor& key, Operand x, Operand p, const At&) {
  return dropped({"dropout", formula::build_dropout}, key, x, p);
}
Tensor dropout1d(const Tensor& key, Operand x, Operand p, const At&) {
  return dropped({"dropout1d", formula::build_channels<1>}, key, x, p, 2, 3,
                 "x[n, channels, length] or x[channels, length]");
}
Tensor dropout2d(const Tensor& key, Operand x, Operand p, const At&) {
  return dropped({"dropout2d", formula::build_channels<2>}, key, x, p, 3, 4,
                 "x[n, channels, height, width] or x[channels, height, width]");
}
Tensor dropout3d(const Tensor& key, Operand x, Operand p, const At&) {
  return dropped({"dropout3d", formula::build_channels<3>}, key, x, p, 4, 5,
                 "x[n, channels, depth, height, width] or x[channels, depth, height, width]");
}
Tensor alpha_dropout(const Tensor& key, Operand x, Operand p, const At&) {
  return dropped({"alpha_dropout", formula::build_alpha_dropout}, key, x, p);
}
Tensor feature_alpha_dropout(const Tensor& key, Operand x, Operand p, const At&) {
  return dropped({"feature_alpha_dropout", formula::build_feature_alpha_dropout}, key, x, p, 2, INT32_MAX,
                 "x[n, channels, ..]");
}

}  // namespace random
}  // namespace tenon
