// The doors: files and bytes.
#include "tenon/frontend/onnx/onnx.h"

#include "tenon/frontend/onnx/likeness.h"
#include "tenon/frontend/onnx/program.h"
#include "tenon/ir/base/door.h"
#include "tenon/runtime/input_file.h"

namespace tenon::onnx {
namespace {

constexpr uint64_t most_bytes_of_model = uint64_t{1} << 31;  // what protocol buffers allow
constexpr uint64_t most_bytes_of_header = 4096;

}  // namespace

Traced load(const std::string& path, const At& at) {
  return door("onnx::load", place(at), [&] {
    auto bytes = std::make_shared<Bytes>();
    bytes->name = path;
    const size_t slash = path.rfind('/');
    bytes->folder = slash == path.npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
    const runtime::InputFile file(path, "ONNX model");
    const bool fits = file.size() <= most_bytes_of_model;
    bytes->content.resize(fits ? file.size() : most_bytes_of_header);
    file.read(0, bytes->content.data(), bytes->content.size());
    if (!fits && begins_as_model(*bytes))
      file.refuse("it has more than 2^31 bytes; a model keeps the rest of its weights in files of external data");
    if (!fits) throw Error(path + " is no ONNX model: " + likeness(bytes->content));
    return Traced(program_of(std::move(bytes), place(at)));
  });
}

Traced parse(const std::string& text, const At& at) {
  return door("onnx::parse", place(at), [&] {
    auto bytes = std::make_shared<Bytes>();
    bytes->name = "<bytes>";
    bytes->content = text;
    return Traced(program_of(std::move(bytes), place(at)));
  });
}

}  // namespace tenon::onnx
