// From the bytes of a model to a program that can be called. Refuses nothing itself: the parser and importers say what is wrong.
#pragma once

#include <memory>

#include "tenon/frontend/onnx/model.h"
#include "tenon/frontend/transform/program.h"

namespace tenon::onnx {

std::shared_ptr<tenon::detail::Program> program_of(std::shared_ptr<const Bytes> file, const Location& at);

}  // namespace tenon::onnx
