// Initialisers: draws of f32 or f64, scaled; a half is rounded once.
#include "tenon/frontend/nn/init.h"

#include <cmath>

#include "tenon/frontend/linalg/linalg.h"
#include "tenon/frontend/nn/refusals.h"
#include "tenon/frontend/random/draw.h"
#include "tenon/frontend/random/random.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/base/number_text.h"

namespace tenon::nn::init {
namespace {

// The shape of numbers, which weights have.
Shape fixed(const char* what, const Extents& shape, DType dtype, const Location& at) {
  check_floating(what, dtype, at);
  const Shape s = shape.checked(what, dtype, at);
  if (!s.is_static())
    throw Error(std::string(what) + ": weights have fixed extents, and the shape is " + to_string(s), at);
  return s;
}

DType drawn(DType dtype) { return is_half(dtype) ? f32 : dtype; }

double slope_gain(double a) { return std::sqrt(2 / (1 + a * a)); }

double gain_of(const char* what, const std::string& name, double a, const Location& at) {
  for (const char* plain :
       {"linear", "sigmoid", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"})
    if (name == plain) return 1;
  if (name == "tanh") return 5.0 / 3;
  if (name == "relu") return std::sqrt(2.0);
  if (name == "leaky_relu") return slope_gain(a);
  if (name == "selu") return 0.75;
  throw Error(std::string(what) + ": no gain is known of \"" + name +
                  "\"; there are linear, sigmoid, tanh, relu, leaky_relu, selu and the convolutions",
              at);
}

std::pair<int64_t, int64_t> fans_of(const char* what, const Shape& s, const Location& at) {
  if (s.rank() < 2)
    throw Error(std::string(what) + ": a weight of two axes or more has fans, and the shape is " + to_string(s) +
                    "; uniform and normal take any",
                at);
  if (s.rank() == 2) return {s[0].number(), s[1].number()};
  int64_t taps = 1;  // the shape has been checked: no product of its extents overflows
  for (size_t i = 2; i < s.size(); ++i) taps *= s[i].number();
  return {s[1].number() * taps, s[0].number() * taps};
}

Tensor within(const char* what, const Tensor& key, const Shape& s, double low, double high, DType dtype,
              const At& from) {
  const Location at = place(from);
  check_key(key, at);
  if (!(low <= high))
    throw Error(std::string(what) + ": .low is " + shortest(low) + " and .high " + shortest(high), at);
  const Tensor u = tenon::uniform(key, Extents(s), tenon::Draw{drawn(dtype)}, from);
  return (Operand(Operand(u, at) * Operand(high - low, at), at) + Operand(low, at)).astype(dtype, from);
}

Tensor around(const char* what, const Tensor& key, const Shape& s, double mean, double std, DType dtype,
              const At& from) {
  const Location at = place(from);
  check_key(key, at);
  if (!(std >= 0)) throw Error(std::string(what) + ": .std is 0 or more, not " + shortest(std), at);
  const Tensor n = tenon::normal(key, Extents(s), tenon::Draw{drawn(dtype)}, from);
  return (Operand(Operand(n, at) * Operand(std, at), at) + Operand(mean, at)).astype(dtype, from);
}

double kaiming_std(const char* what, const Shape& s, const Kaiming& o, const Location& at) {
  const auto [in, out] = fans_of(what, s, at);
  if (o.mode != "fan_in" && o.mode != "fan_out")
    throw Error(std::string(what) + ": .mode is \"fan_in\" or \"fan_out\", not \"" + o.mode + "\"", at);
  const double fan = static_cast<double>(o.mode == "fan_in" ? in : out);
  return gain_of(what, o.nonlinearity, o.a, at) / std::sqrt(std::max(fan, 1.0));
}

double xavier_std(const char* what, const Shape& s, const Xavier& o, const Location& at) {
  const auto [in, out] = fans_of(what, s, at);
  return o.gain * std::sqrt(2 / std::max(static_cast<double>(in) + static_cast<double>(out), 1.0));
}

}  // namespace

double gain(const std::string& nonlinearity, const At& at) { return gain(nonlinearity, 0.01, at); }
double gain(const std::string& nonlinearity, double a, const At& at) {
  return gain_of("nn::init::gain", nonlinearity, a, place(at));
}
std::pair<int64_t, int64_t> fans(const Extents& shape, const At& at) {
  return fans_of("nn::init::fans", fixed("nn::init::fans", shape, f32, place(at)), place(at));
}

Tensor kaiming_uniform(const Tensor& key, const Extents& shape, const Kaiming& o, const At& at) {
  constexpr const char* what = "nn::init::kaiming_uniform";
  const Shape s = fixed(what, shape, o.dtype, place(at));
  const double bound = std::sqrt(3.0) * kaiming_std(what, s, o, place(at));
  return within(what, key, s, -bound, bound, o.dtype, at);
}
Tensor kaiming_normal(const Tensor& key, const Extents& shape, const Kaiming& o, const At& at) {
  constexpr const char* what = "nn::init::kaiming_normal";
  const Shape s = fixed(what, shape, o.dtype, place(at));
  return around(what, key, s, 0, kaiming_std(what, s, o, place(at)), o.dtype, at);
}
Tensor xavier_uniform(const Tensor& key, const Extents& shape, const Xavier& o, const At& at) {
  constexpr const char* what = "nn::init::xavier_uniform";
  const Shape s = fixed(what, shape, o.dtype, place(at));
  const double bound = std::abs(std::sqrt(3.0) * xavier_std(what, s, o, place(at)));
  return within(what, key, s, -bound, bound, o.dtype, at);
}
Tensor xavier_normal(const Tensor& key, const Extents& shape, const Xavier& o, const At& at) {
  constexpr const char* what = "nn::init::xavier_normal";
  const Shape s = fixed(what, shape, o.dtype, place(at));
  return around(what, key, s, 0, std::abs(xavier_std(what, s, o, place(at))), o.dtype, at);
}

// The q of normal draws, signed as r's diagonal (Stewart, SIAM J. Numer. Anal. 17, 1980).
Tensor orthogonal(const Tensor& key, const Extents& shape, const Xavier& o, const At& from) try {
  constexpr const char* what = "nn::init::orthogonal";
  const Location at = place(from);
  const Shape s = fixed(what, shape, o.dtype, at);
  if (s.rank() < 2) throw Error(std::string(what) + ": takes two axes or more, and the shape is " + to_string(s), at);
  check_key(key, at);
  int64_t rows = s[0].number(), columns = 1;
  for (size_t i = 1; i < s.size(); ++i) columns *= s[i].number();
  const bool wide = rows < columns;
  if (wide) std::swap(rows, columns);
  const linalg::Qr f = linalg::qr(Operand(tenon::normal(key, {rows, columns}, tenon::Draw{drawn(o.dtype)}, from), at));
  const Tensor diagonal = linalg::diagonal(Operand(f.r, at));
  const Tensor signs = where(Operand(diagonal < 0, at), Operand(-o.gain, at), Operand(o.gain, at));
  Tensor q = f.q * Operand(unsqueeze(Operand(signs, at), -2), at);
  if (wide) q = q.transpose(from);
  return q.reshape(Extents(s), from).astype(o.dtype, from);
} catch (...) {
  leave_with_error("nn::init::orthogonal", place(from));
}

Tensor truncated_normal(const Tensor& key, const Extents& shape, const Truncated& o, const At& from) try {
  constexpr const char* what = "nn::init::truncated_normal";
  const Location at = place(from);
  const Shape s = fixed(what, shape, o.dtype, at);
  if (!(o.std > 0)) throw Error(std::string(what) + ": .std is above 0, not " + shortest(o.std), at);
  if (!(o.low < o.high))
    throw Error(std::string(what) + ": .low is " + shortest(o.low) + " and .high " + shortest(o.high), at);
  const Operand low((o.low - o.mean) / o.std, at), high((o.high - o.mean) / o.std, at);
  const Tensor n = random::truncated_normal(key, low, high, Extents(s), {.dtype = drawn(o.dtype)}, from);
  return (Operand(n, at) * Operand(o.std, at) + Operand(o.mean, at)).astype(o.dtype, from);
} catch (...) {
  leave_with_error("nn::init::truncated_normal", place(from));
}

Tensor uniform(const Tensor& key, const Extents& shape, const Uniform& o, const At& at) {
  constexpr const char* what = "nn::init::uniform";
  return within(what, key, fixed(what, shape, o.dtype, place(at)), o.low, o.high, o.dtype, at);
}
Tensor normal(const Tensor& key, const Extents& shape, const Normal& o, const At& at) {
  constexpr const char* what = "nn::init::normal";
  return around(what, key, fixed(what, shape, o.dtype, place(at)), o.mean, o.std, o.dtype, at);
}
Tensor zeros(const Tensor& key, const Extents& shape, const As& o, const At& at) {
  return constant(key, shape, 0, o, at);
}
Tensor ones(const Tensor& key, const Extents& shape, const As& o, const At& at) {
  return constant(key, shape, 1, o, at);
}
Tensor constant(const Tensor&, const Extents& shape, double value, const As& o, const At& at) {
  const Shape s = fixed("nn::init::constant", shape, o.dtype, place(at));
  return full(Extents(s), Operand(value, place(at)), {.dtype = o.dtype}, at);
}

}  // namespace tenon::nn::init
