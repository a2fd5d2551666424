// What layers ask of their operands, and what they say of those that do not fit: the layer, the shapes, the remedy. Internal to the
// frontend. Refuses to compare extents of which one is free: the op that meets them does.
#pragma once

#include <string>

#include "tenon/frontend/ops/promote.h"

namespace tenon::nn {

// x, which has `least` axes or more, and `width` elements along one of them (negative: from the end). layer: "nn::Linear"; wants: "x[.., 3]".
Tensor entering(const Operand& x, const char* layer, int least, int64_t axis, Dim width, const std::string& wants);
// Error unless a count of a maker is 1 or more and below 2^31.
void check_count(const char* maker, const char* name, int64_t count, const Location& at);
void check_floating(const char* maker, DType dtype, const Location& at);
void check_probability(const char* layer, double p, const Location& at);
// The key that a layer draws from in training.
const Tensor& key_of(const Tensor& key, const char* layer, const Location& at);
// A weight of a layer, which must be there and have so many axes.
const Tensor& weight_of(const Tensor& weight, const char* layer, int rank, const Location& at);

}  // namespace tenon::nn
