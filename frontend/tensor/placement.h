// Where tensors lie, and where what is computed of them runs: with all of them, on one device. Internal to the frontend. Refuses
// to move a tensor that the caller made; numbers written in a program go where the tensors are.
#pragma once

#include <span>
#include <string>

#include "tenon/frontend/tensor/tensor.h"
#include "tenon/runtime/device.h"

namespace tenon {

// The device of all inputs, those without a place (specs, values of a trace) aside; the default one where there are none. Error for
// tensors on two devices, which names both and where they were made.
const runtime::Device& device_of_all(std::span<const Tensor> inputs, const char* what, const Location& at);
const runtime::Device& device_of_all(std::span<Tensor* const> inputs, const char* what, const Location& at);
// Whether a number among the inputs lies elsewhere; then moved_to() is needed.
bool has_number_elsewhere(std::span<const Tensor> inputs, const runtime::Device& device);
// The same values there, without history.
Tensor moved_to(const Tensor& t, const runtime::Device& device, const Location& at);
char device_tag(const runtime::Device& device);  // for keys

}  // namespace tenon
