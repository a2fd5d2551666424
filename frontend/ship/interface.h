// A saved program as its users see it: trees of named leaves, extents, checks with their text. The headers and the manifest are
// written from this alone. Internal to the frontend.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tenon/frontend/tree/items.h"
#include "tenon/runtime/artifact.h"

namespace tenon::aot {

struct Leaf {
  ir::Type type;
  std::string path;  // params.layers[2].w
  std::string name;  // params_layers_2_w: its own among the inputs, or the outputs
  std::string member;  // layers_2_w: in its tree's struct
};
struct Tree {
  std::string name;  // of the parameter, and of its struct
  size_t first = 0, count = 0;  // its leaves
  bool alone = false;  // one tensor and no struct
};
struct Extent {
  std::string name;  // as the program has it
  std::string parameter;  // as the headers' functions have it
  int64_t lower = 0, upper = 0;
};
struct Constant {  // beside the code
  ir::Type type;
  std::string digest;
  int64_t offset = 0, bytes = 0;
};
struct Interface {
  runtime::Manifest manifest;
  std::string target;  // by name
  std::string triple, processor;  // what LLVM calls it
  Symbols symbols;
  std::vector<Tree> arguments;
  Tree result;
  std::vector<Leaf> inputs, outputs;
  std::vector<Extent> extents;  // the free ones, in the order of dims
  std::vector<Constant> constants;
  std::vector<std::string> checks;  // what failed, by number from 1 on
  std::vector<std::string> not_fused;  // edges, each with its reason
  std::vector<std::vector<std::string>> kernel_lines;  // per kernel of the manifest
};

// Fills arguments, result, leaves and extents from the trees. names: of the arguments, in0, in1 ... where there are none.
void name_leaves(Interface& program, const std::vector<std::vector<detail::TreeItem>>& arguments,
                 const std::vector<std::string>& results, const std::vector<std::string>& names);

const char* c_type(DType t);
std::string in_comment(std::string text);  // nothing in it ends a comment or begins a line
std::string quoted(const std::string& text);  // as a string of C and C++
std::string c_header(const Interface& program);
std::string cuda_header(const Interface& program);  // the C header of a program for a GPU
std::string cpp_header(const Interface& program);
std::string manifest_json(const Interface& program);

}  // namespace tenon::aot
