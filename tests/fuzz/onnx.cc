// Fuzzes the reader of ONNX files: the wire format and the messages, without their meaning.
// sources: frontend/onnx/wire.cc frontend/onnx/likeness.cc frontend/onnx/parse.cc
#include "tenon/frontend/onnx/model.h"

#include "tenon/tests/fuzz/fuzz.h"

void tenon::testing::fuzz(std::string_view file) {
  auto bytes = std::make_shared<onnx::Bytes>();
  bytes->name = "x.onnx";
  bytes->content = file;
  onnx::parse_model(bytes);
}
