// An ONNX model as it was written: graphs of nodes on named values, with attributes, initial tensors, and functions of its own. No
// meaning yet: that is given by the importers (frontend/onnx/import.h). Every name and every number lies in the bytes of the file.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "tenon/frontend/onnx/wire.h"

namespace tenon::onnx {

// How deep graphs may lie in attributes of nodes of graphs, and functions in one another; how many nodes, names, attributes and tensors
// a file may hold, for a byte of it must not stand for hundreds in memory.
inline constexpr int deepest = 48;
inline constexpr int64_t most_items = int64_t{1} << 20, most_tensors = int64_t{1} << 18;

// What element types are called in a file (TensorProto.DataType); others are numbers without a name here.
enum class Element : int32_t {
  undefined = 0,
  f32 = 1,
  u8 = 2,
  i8 = 3,
  u16 = 4,
  i16 = 5,
  i32 = 6,
  i64 = 7,
  text = 8,
  boolean = 9,
  f16 = 10,
  f64 = 11,
  u32 = 12,
  u64 = 13,
  c64 = 14,
  c128 = 15,
  bf16 = 16
};

struct TensorText {
  std::string_view name;
  std::vector<int64_t> extents;
  int64_t element = 0;
  std::optional<std::string_view> raw;
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<int64_t> integers;  // of int32_data, int64_data or uint64_data
  bool is_external = false, has_strings = false;
  std::vector<std::pair<std::string_view, std::string_view>> external;
};

struct SparseText {
  TensorText values, indices;
  std::vector<int64_t> extents;
};

struct GraphText;

struct Attribute {
  enum class Kind : int64_t {
    undefined = 0,
    number = 1,
    integer = 2,
    text = 3,
    tensor = 4,
    graph = 5,
    numbers = 6,
    integers = 7,
    texts = 8,
    tensors = 9,
    graphs = 10,
    sparse = 11,
    sparses = 12,
    type = 13,
    types = 14
  };
  std::string_view name, refers_to;  // refers_to: an attribute of the function around it
  Kind kind = Kind::undefined;
  float number = 0;
  int64_t integer = 0;
  std::string_view text;
  std::vector<float> numbers;
  std::vector<int64_t> integers;
  std::vector<std::string_view> texts;
  std::shared_ptr<const TensorText> tensor;
  std::shared_ptr<const SparseText> sparse;
  std::shared_ptr<const GraphText> graph;
};

struct NodeText {
  std::string_view name, op, domain, overload;
  std::vector<std::string_view> inputs, outputs;  // an empty name: nothing
  std::vector<Attribute> attributes;
  const Attribute* find(std::string_view name) const;
};

// A tensor's type; an extent is a number, a name, or neither.
struct ExtentText {
  int64_t number = -1;
  std::string_view name;
};
struct ValueText {
  std::string_view name;
  bool is_tensor = false, has_shape = false;
  int64_t element = 0;
  std::vector<ExtentText> extents;
};

struct GraphText {
  std::string_view name;
  std::vector<NodeText> nodes;
  std::vector<ValueText> inputs, outputs;
  std::vector<TensorText> initial;
  std::vector<SparseText> initial_sparse;
};

using Opsets = std::map<std::string_view, int64_t>;  // of a domain its version; "" is ONNX's own, by either name

struct FunctionText {
  std::string_view name, domain, overload;
  std::vector<std::string_view> inputs, outputs, attribute_names;
  std::vector<Attribute> attributes;  // with the values that they have unless given
  std::vector<NodeText> nodes;
  Opsets opsets;
};

struct Model {
  std::shared_ptr<const Bytes> file;
  Opsets opsets;
  GraphText graph;
  std::vector<FunctionText> functions;
  std::map<std::tuple<std::string_view, std::string_view, std::string_view>, size_t>
      numbers;  // by domain, name, overload
  const FunctionText* function(const NodeText& node) const;  // that a node calls, or null
};

Model parse_model(std::shared_ptr<const Bytes> file);
// A message of its own, as files of data are.
TensorText parse_tensor(const Bytes& file, std::string_view message);
// "" for ai.onnx.
std::string_view plain_domain(std::string_view domain);

}  // namespace tenon::onnx
