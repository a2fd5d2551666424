// Fields by their numbers in onnx.proto.
#include "tenon/tests/onnx_writer.h"

#include <cstring>

namespace tenon::testing::proto {

std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}

std::string number(int field, int64_t value) {
  return varint(static_cast<uint64_t>(field) << 3) + varint(static_cast<uint64_t>(value));
}

std::string bytes(int field, const std::string& content) {
  return varint(static_cast<uint64_t>(field) << 3 | 2) + varint(content.size()) + content;
}

namespace {

std::string single(int field, float value) {
  std::string raw(4, '\0');
  std::memcpy(raw.data(), &value, 4);
  return varint(static_cast<uint64_t>(field) << 3 | 5) + raw;
}

std::string all(int field, const std::vector<std::string>& contents) {
  std::string out;
  for (const std::string& c : contents) out += bytes(field, c);
  return out;
}

int element_of(DType t) {
  const std::pair<DType, int> elements[] = {{f32, 1},  {u8, 2},   {i8, 3},      {u16, 4},  {i16, 5},
                                            {i32, 6},  {i64, 7},  {boolean, 9}, {f16, 10}, {f64, 11},
                                            {u32, 12}, {u64, 13}, {bf16, 16}};
  for (const auto& [dtype, element] : elements)
    if (dtype == t) return element;
  return 0;
}

std::string attribute(const std::string& name, int kind, const std::string& content) {
  return bytes(1, name) + content + number(20, kind);
}

}  // namespace

std::string typed_tensor(const std::string& name, int element, const std::vector<int64_t>& extents,
                         const std::string& data) {
  std::string out;
  for (int64_t n : extents) out += number(1, n);
  return out + number(2, element) + data + bytes(8, name);
}

std::string tensor(const std::string& name, const Tensor& value) {
  const auto size = static_cast<size_t>(value.numel() * tenon::bytes(value.dtype()));
  const std::vector<int64_t> extents = value.shape();
  return typed_tensor(name, element_of(value.dtype()), extents,
                      bytes(9, std::string(static_cast<const char*>(value.raw()), size)));
}

std::string value(const std::string& name, int element, const std::vector<std::string>& extents) {
  std::string shape;
  for (const std::string& e : extents)
    shape += bytes(1, e == "?"                                       ? ""
                      : e.find_first_not_of("-0123456789") == e.npos ? number(1, std::stoll(e))
                                                                     : bytes(2, e));
  return bytes(1, name) + bytes(2, bytes(1, number(1, element) + bytes(2, shape)));
}

std::string node(const Node& n) {
  return all(1, n.inputs) + all(2, n.outputs) + bytes(3, n.name) + bytes(4, n.op) + all(5, n.attributes) +
         bytes(7, n.domain);
}

std::string integer(const std::string& name, int64_t value) { return attribute(name, 2, number(3, value)); }
std::string integers(const std::string& name, const std::vector<int64_t>& values) {
  std::string out;
  for (int64_t v : values) out += number(8, v);
  return attribute(name, 7, out);
}
std::string real(const std::string& name, float value) { return attribute(name, 1, single(2, value)); }
std::string reals(const std::string& name, const std::vector<float>& values) {
  std::string packed(4 * values.size(), '\0');
  std::memcpy(packed.data(), values.data(), packed.size());
  return attribute(name, 6, bytes(7, packed));
}
std::string word(const std::string& name, const std::string& value) { return attribute(name, 3, bytes(4, value)); }
std::string held(const std::string& name, const Tensor& value) {
  return attribute(name, 4, bytes(5, tensor("", value)));
}
std::string body(const std::string& name, const std::string& graph) { return attribute(name, 5, bytes(6, graph)); }
std::string refers(const std::string& name, const std::string& to, int kind) {
  return attribute(name, kind, bytes(21, to));
}

std::string graph(const Graph& g) {
  std::string out;
  for (const Node& n : g.nodes) out += bytes(1, node(n));
  return out + bytes(2, g.name) + all(5, g.initial) + all(11, g.inputs) + all(12, g.outputs);
}

std::string function(const Function& f) {
  std::string out = bytes(1, f.name) + all(4, f.inputs) + all(5, f.outputs) + all(6, f.attributes);
  for (const Node& n : f.nodes) out += bytes(7, node(n));
  return out + bytes(9, number(2, 17)) + bytes(9, bytes(1, f.domain) + number(2, 1)) + bytes(10, f.domain);
}

std::string model(const std::string& graph, int64_t opset, const std::vector<std::string>& functions) {
  return number(1, 8) + bytes(2, "tests") + bytes(7, graph) + bytes(8, number(2, opset)) +
         bytes(8, bytes(1, "own") + number(2, 1)) + all(25, functions);
}

}  // namespace tenon::testing::proto
