// Signatures of formats that are given for a model by mistake.
#include "tenon/frontend/onnx/likeness.h"

#include <algorithm>
#include <cstring>

namespace tenon::onnx {
namespace {

struct Format {
  size_t at;
  std::string_view begins;
  const char* what;
};

constexpr std::string_view literal(const char* bytes, size_t size) { return {bytes, size}; }

constexpr const char* image = "it is an image; give the model, and the image to what it returns, as a tensor";
constexpr const char* packed = "it is a compressed file; unpack it first";
constexpr const char* pickle =
    "it is a pickle, as torch.save and joblib write them; export the model where it can be run (torch.onnx.export)";
constexpr const char* page =
    "it is a page of HTML or XML, as a server sends where a file is not to be had; download the file itself";

constexpr Format formats[] = {
    {0, "version https://git-lfs",
     "it is a pointer that Git LFS has left in the model's place; fetch it: git lfs pull"},
    {0, "<!doctype", page},
    {0, "<html", page},
    {0, "<?xml", page},
    {0, "GGUF", "it is a GGUF file, which has weights and no graph; tn::load_gguf reads it"},
    {0, "PK\x03\x04",
     "it is a zip archive, as PyTorch's .pt, NumPy's .npz and Keras' .keras files are; unpack the model that is in it, "
     "or export one (torch.onnx.export)"},
    {0, literal("\x1f\x8b", 2), packed},
    {0, "BZh", packed},
    {0,
     "\xfd"
     "7zXZ",
     packed},
    {0, "\x28\xb5\x2f\xfd", packed},
    {0, "\x93NUMPY", "it is an array of NumPy's; tn::load_npy reads it"},
    {0, "\x89PNG", image},
    {0, "\xff\xd8\xff", image},
    {0, "%PDF", "it is a PDF document; give the model's own file"},
    {0, "\x89HDF", "it is an HDF5 file, as Keras writes them; export the model (tf2onnx)"},
    {4, "TFL3", "it is a model of TensorFlow Lite; convert it (tf2onnx)"},
    {4, "ORTM", "it is in ONNX Runtime's own format; give the .onnx file that it was made of"},
    {0,
     "\x7f"
     "ELF",
     "it is a program or a library; give the model's own file"},
    {0, "ML\xefR", "it is MLIR's bytecode, not ONNX; tn::stablehlo::load reads StableHLO as text"},
    {0, "module", "it is text as MLIR has it, not ONNX; tn::stablehlo::load reads StableHLO"},
    {0, "#loc", "it is text as MLIR has it, not ONNX; tn::stablehlo::load reads StableHLO"},
    {0, "\x80\x02", pickle},
    {0, "\x80\x03", pickle},
    {0, "\x80\x04", pickle},
    {0, "\x80\x05", pickle},
};

bool begins(std::string_view bytes, const Format& f) {
  if (bytes.size() < f.at + f.begins.size()) return false;
  return std::equal(
      f.begins.begin(), f.begins.end(), bytes.begin() + static_cast<std::ptrdiff_t>(f.at),
      [](char wanted, char c) { return wanted == c || (wanted >= 'a' && wanted <= 'z' && wanted == (c | ' ')); });
}

// A length of 8 bytes, and the header that it stands in front of.
bool is_safetensors(std::string_view bytes) {
  uint64_t header = 0;
  if (bytes.size() < 10 || bytes[8] != '{') return false;
  std::memcpy(&header, bytes.data(), sizeof header);
  return header <= bytes.size() - 8;
}

// A message that holds a tensor: its extents, then its element type.
bool is_tensor(const std::string& bytes) try {
  const Bytes file{"", "", bytes};
  for (Fields f(file, file.content); f.next();) {
    if (f.number() == 1) continue;
    return f.number() == 2 && f.integer() >= 1 && f.integer() <= 32;
  }
  return false;
} catch (const Error&) {
  return false;
}

std::string beginning(std::string_view bytes) {
  constexpr size_t shown = 24;
  const std::string_view first = bytes.substr(0, shown);
  const bool text = std::all_of(first.begin(), first.end(),
                                [](char c) { return (c >= ' ' && c <= '~') || c == '\n' || c == '\r' || c == '\t'; });
  if (text) {
    std::string line(first.substr(0, first.find_first_of("\r\n")));
    return "it is text, and begins with '" + line + "'";
  }
  constexpr char digits[] = "0123456789abcdef";
  std::string hex;
  for (char c : bytes.substr(0, 8)) {
    const auto byte = static_cast<unsigned char>(c);
    hex += std::string(" ") + digits[byte >> 4] + digits[byte & 15];
  }
  return "its first bytes are" + hex;
}

}  // namespace

std::string likeness(std::string_view bytes) {
  const std::string remedy = "; give the binary .onnx file that an exporter wrote";
  if (bytes.empty()) return "it is empty, so writing or downloading it did not end" + remedy;
  if (bytes.substr(0, 256).find("ir_version") != bytes.npos)
    return "it is a model as text; write it in binary form (onnx.save)";
  if (bytes.size() < 4096 && bytes.ends_with(".onnx")) return "it is the name of a file; tn::onnx::load reads files";
  for (const Format& f : formats)
    if (begins(bytes, f)) return f.what;
  if (is_safetensors(bytes))
    return "it is a safetensors file, which has weights and no graph; tn::load_safetensors reads it";
  if (bytes.front() == '{' || bytes.front() == '[')
    return std::string("it begins with '") + bytes.front() + "', as JSON does" + remedy;
  if (is_tensor(std::string(bytes.substr(0, 4096)))) return "it holds a single tensor" + remedy;
  return beginning(bytes) + remedy;
}

bool begins_as_model(const Bytes& file) {
  bool version = false;
  Fields f(file, file.content);
  for (;;) {
    try {
      if (!f.next()) return version;
    } catch (const Error&) {  // cut off
      return version;
    }
    try {
      if (f.number() == 1) version = f.integer() >= 1 && f.integer() < 1024;
      if (f.number() == 2 || f.number() == 7 || f.number() == 8) (void)f.span();
    } catch (const Error&) {  // a field of a model is of another kind
      return false;
    }
    if (f.number() == 7) return true;
  }
}

}  // namespace tenon::onnx
