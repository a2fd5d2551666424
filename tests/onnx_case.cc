// Reading cases with the importer's own reader of tensors, and comparing.
#include "tenon/tests/onnx_case.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tenon/frontend/onnx/tensors.h"
#include "tenon/ir/reference/array.h"

namespace tenon::testing {
namespace {

std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::vector<Tensor> numbered(const std::filesystem::path& folder, const std::string& kind) {
  std::vector<Tensor> list;
  for (int i = 0;; ++i) {
    const auto path = folder / (kind + "_" + std::to_string(i) + ".pb");
    if (!std::filesystem::exists(path)) return list;
    const onnx::Bytes bytes{path.string(), "", content_of(path.string())};
    onnx::Taken taken;
    list.push_back(onnx::tensor_of(bytes, onnx::parse_tensor(bytes, bytes.content), taken));
  }
}

ir::Array array_of(const Tensor& t) {
  ir::Array a(ir::Type{t.dtype(), t.shape()});
  if (!a.data.empty()) std::memcpy(a.data.data(), t.raw(), a.data.size());
  return a;
}

}  // namespace

Tensor with_dtype(const Tensor& t, DType wanted) {
  return t.dtype() == u16 && wanted == bf16 ? copy_from(t.raw(), t.shape(), bf16) : t;
}

std::vector<OnnxData> read_onnx_data(const std::string& folder) {
  std::vector<OnnxData> sets;
  std::vector<std::filesystem::path> folders;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.is_directory()) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  for (const auto& f : folders) sets.push_back({numbered(f, "input"), numbered(f, "output")});
  return sets;
}

std::vector<Tensor> interpreted(const detail::Program& program, const std::vector<Tensor>& inputs) {
  std::vector<ir::Array> arrays;
  for (const Tensor& t : program.inputs(inputs)) arrays.push_back(array_of(t));
  std::vector<Tensor> results;
  for (const ir::Array& a : ir::interpret(*program.graph, arrays))
    results.push_back(copy_from(a.data.data(), Extents(a.type.shape), a.type.dtype));
  return results;
}

std::string onnx_distance(const Tensor& given, const Tensor& actual, double relative, double absolute) {
  const Tensor expected = with_dtype(given, actual.dtype());
  if (expected.dtype() != actual.dtype() || !(expected.shape() == actual.shape())) {
    std::ostringstream out;
    out << "it is " << actual.dtype() << actual.shape() << ", not " << expected.dtype() << expected.shape();
    return out.str();
  }
  // Halves within two units of the last place: ONNX's answers of bf16 were cut off, not rounded.
  if (is_half(expected.dtype())) relative = std::max(relative, expected.dtype() == bf16 ? 0x1p-6 : 0x1p-9);
  const bool exact = !is_continuous(expected.dtype()) && std::isfinite(absolute);
  const std::vector<double> e = expected.to_vector<double>(), a = actual.to_vector<double>();
  for (size_t i = 0; i < e.size(); ++i) {
    const bool same = e[i] == a[i] || (std::isnan(e[i]) && std::isnan(a[i]));
    const bool close = !exact && (std::isfinite(e[i]) || !std::isfinite(absolute)) &&
                       std::abs(a[i] - e[i]) <= absolute + relative * std::abs(e[i]);
    if (!same && !close)
      return "element " + std::to_string(i) + " is " + std::to_string(a[i]) + ", not " + std::to_string(e[i]);
  }
  return "";
}

bool draws(const std::string& path) {
  const std::string model = content_of(path);
  for (const char* op :
       {"Bernoulli", "RandomUniformLike", "RandomNormalLike", "RandomUniform", "RandomNormal", "training_dropout"})
    if (model.find(op) != std::string::npos) return true;
  return false;
}

}  // namespace tenon::testing
