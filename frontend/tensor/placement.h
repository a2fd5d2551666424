// Where tensors lie, and where what is computed of them runs: with all of them, on one device. Internal to the frontend. Refuses
// to move a tensor that the caller made; numbers written in a program go where the tensors are.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tenon/frontend/tensor/tensor.h"
#include "tenon/runtime/device.h"

namespace tenon {

// The device of all inputs, those without a place (specs, values of a trace) aside; the default one where there are none. Error for
// tensors on two devices, which names both and where they were made.
const runtime::Device& device_of_all(std::span<const Tensor> inputs, const char* what, const Location& at);
const runtime::Device& device_of_all(std::span<Tensor* const> inputs, const char* what, const Location& at);
// t where `like` lies; a tensor of a trace, or a spec, lies nowhere.
Tensor beside(const Tensor& t, const Tensor& like, const Location& at);
// Inputs of a program, on its device: numbers move there. Error for any other tensor that lies elsewhere. Null: all are there.
std::unique_ptr<std::vector<Tensor>> inputs_on(const runtime::Device& device, std::span<const Tensor> inputs,
                                               const char* what, const Location& at);
// The same values there, without history.
Tensor moved_to(const Tensor& t, const runtime::Device& device, const Location& at);
inline char device_tag(const runtime::Device& device) {  // for keys
  return static_cast<char>(device.kind == TargetKind::cpu ? 0 : 1 + device.index);
}

}  // namespace tenon
