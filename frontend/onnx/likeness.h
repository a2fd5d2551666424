// What bytes that are no ONNX model look like, by their first few: for the message that refuses them.
#pragma once

#include <string>
#include <string_view>

#include "tenon/frontend/onnx/wire.h"

namespace tenon::onnx {

// "it is empty", "it begins as a zip archive does ...", with what to do about it.
std::string likeness(std::string_view bytes);
// Whether the fields, as far as they can be read, are those of a model: then what is wrong with it is damage.
bool begins_as_model(const Bytes& file);

}  // namespace tenon::onnx
