// ONNX models written for tests: protocol buffers field by field, and the messages of a model. Refuses to check anything, so that models
// that are wrong can be written too.
#pragma once

#include <string>
#include <vector>

#include "tenon/frontend/tensor/tensor.h"

namespace tenon::testing::proto {

std::string varint(uint64_t value);
std::string number(int field, int64_t value);  // a varint
std::string bytes(int field, const std::string& content);  // a string, bytes, or a message

inline constexpr int f32_element = 1, i64_element = 7, bool_element = 9;

std::string tensor(const std::string& name, const Tensor& value);  // as raw data
std::string typed_tensor(const std::string& name, int element, const std::vector<int64_t>& extents,
                         const std::string& data);
// Extents are numbers, names, or "?".
std::string value(const std::string& name, int element, const std::vector<std::string>& extents);

struct Node {
  std::string op;
  std::vector<std::string> inputs = {}, outputs = {}, attributes = {};
  std::string name = {}, domain = {};
};
std::string node(const Node& n);
std::string integer(const std::string& name, int64_t value);
std::string integers(const std::string& name, const std::vector<int64_t>& values);
std::string real(const std::string& name, float value);
std::string reals(const std::string& name, const std::vector<float>& values);
std::string word(const std::string& name, const std::string& value);
std::string held(const std::string& name, const Tensor& value);
std::string body(const std::string& name, const std::string& graph);
std::string refers(const std::string& name, const std::string& to, int kind);  // to an attribute of the function

struct Graph {
  std::vector<Node> nodes = {};
  std::vector<std::string> inputs = {}, outputs = {}, initial = {};  // values, values, tensors
  std::string name = "g";
};
std::string graph(const Graph& g);
struct Function {
  std::string name, domain;
  std::vector<std::string> inputs, outputs, attributes;  // attributes by name
  std::vector<Node> nodes;
};
std::string function(const Function& f);
std::string model(const std::string& graph, int64_t opset, const std::vector<std::string>& functions = {});
inline std::string model(const Graph& g, int64_t opset, const std::vector<std::string>& functions = {}) {
  return model(graph(g), opset, functions);
}

}  // namespace tenon::testing::proto
