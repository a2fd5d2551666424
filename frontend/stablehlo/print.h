// A graph as a StableHLO module, which JAX and other compilers of StableHLO run.
#pragma once

#include <string>
#include <vector>

#include "tenon/frontend/tensor/tensor.h"
#include "tenon/ir/graph/graph.h"

namespace tenon::hlo {

// @main takes the first inputs; `captured` tensors are the others, and stand in the text. Calls are written out, and rows that StableHLO
// lacks as what they are made of. Checks and prints are left out: they have no counterpart. Error for free extents, and for what cannot
// be said there: random bits, ranks, named axes, host functions.
std::string module_text(const ir::Graph& graph, const std::vector<Tensor>& captured);

// ---- what print_*.cc are made of

// A value in the text: its name and its type.
struct Shown {
  std::string name;
  ir::Type type;
};
using Results = std::vector<Shown>;

// Writes operations, all in the generic form: "stablehlo.add"(%0, %1) : (T, T) -> T.
class Printer {
 public:
  std::string out;
  // The operations of a graph on these inputs; its outputs.
  Results graph(const ir::Graph& g, const Results& inputs);

  // One operation with one result, with several, or with regions that `write_regions` writes.
  Shown one(const std::string& op, const Results& x, const ir::Type& result, const std::string& attributes = "");
  Results several(const std::string& op, const Results& x, const std::vector<ir::Type>& results) {
    start(op, x, results.size(), "");
    return finish(x, results);
  }
  template <class Regions>
  Results with_regions(const std::string& op, const Results& x, const std::vector<ir::Type>& results,
                       const std::string& attributes, Regions write_regions) {
    start(op, x, results.size(), attributes);
    out += " (";
    write_regions();
    out += ")";
    return finish(x, results);
  }
  // ({ ^bb0(%1: T, ...): operations; return }), the arguments being new values.
  template <class Body>
  void region(const std::vector<ir::Type>& arguments, Body body) {
    const Results taken = open_region(arguments);
    close_region(body(taken));
  }
  void next_region() { out += ", "; }

  // Shorter.
  Shown unary(const char* op, const Shown& x) { return one(op, {x}, x.type); }
  Shown binary(const char* op, const Shown& x, const Shown& y) { return one(op, {x, y}, x.type); }
  Shown compare(const char* how, const Shown& x, const Shown& y, const char* kind = nullptr);
  Shown select(const Shown& p, const Shown& x, const Shown& y) { return one("stablehlo.select", {p, x, y}, x.type); }
  Shown constant(const ir::Type& type, const void* elements);
  Shown repeated(const ir::Type& type, const std::string& literal);  // the same number everywhere
  Shown number(const ir::Type& type, double value);
  Shown reshaped(const Shown& x, const Shape& shape) { return one("stablehlo.reshape", {x}, {x.type.dtype, shape}); }

 private:
  std::string fresh() { return "%" + std::to_string(next_++); }
  void start(const std::string& op, const Results& x, size_t results, const std::string& attributes);
  Results finish(const Results& x, const std::vector<ir::Type>& results);
  Results open_region(const std::vector<ir::Type>& arguments);
  void close_region(const Results& results);
  void indent() { out.append(static_cast<size_t>(2 * depth_), ' '); }
  std::vector<std::string> open_;  // the results of operations that are being written, outermost first
  uint64_t next_ = 0;
  int depth_ = 2;
};

std::string type_text(const ir::Type& type);  // tensor<2x3xf32>
std::string array_text(const std::vector<int64_t>& numbers);  // array<i64: 0, 1>
std::string padding_text(const std::vector<int64_t>& low, const std::vector<int64_t>& high,
                         const std::vector<int64_t>& interior);
std::vector<int64_t> numbers_of(const std::vector<Dim>& dims);  // Error for a free extent

const char* operation_name(ir::Op op);  // stablehlo.add for add; null for what has no operation of its own
// What a reduction begins with: what changes nothing, and what `nothing` gives.
std::string identity_text(ir::Op combine, DType t, bool nothing);

// A node by its row; false where it is of another family.
bool print_elementwise(Printer& p, const ir::Graph& g, const ir::Node& n, const Results& x, Results& r);
bool print_movement(Printer& p, const ir::Graph& g, const ir::Node& n, const Results& x, Results& r);
bool print_reduction(Printer& p, const ir::Graph& g, const ir::Node& n, const Results& x, Results& r);
bool print_indexing(Printer& p, const ir::Graph& g, const ir::Node& n, const Results& x, Results& r);
bool print_matrix(Printer& p, const ir::Graph& g, const ir::Node& n, const Results& x, Results& r);
bool print_control(Printer& p, const ir::Graph& g, const ir::Node& n, const Results& x, Results& r);

}  // namespace tenon::hlo
