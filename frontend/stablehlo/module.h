// A StableHLO module as it was written: functions of operations on numbered values, with attributes and regions. No meaning yet: that is
// given by the importers (frontend/stablehlo/import.h). Everything named here lies in the text of its Source.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tenon/frontend/stablehlo/source.h"
#include "tenon/ir/base/dtype.h"

namespace tenon::hlo {

inline constexpr int64_t unknown_extent = -1;  // written ?

// tensor<2x?xf32>. `element` is the spelling; without a dtype, Tenon has no such numbers (or it is no ranked tensor at all).
struct TensorType {
  std::string_view element;
  std::optional<DType> dtype;
  std::vector<int64_t> extents;
  bool ranked = false;
};

struct Attribute {
  enum class Kind : uint8_t { unit, boolean, integer, number, text, word, symbol, list, dictionary, dense, type };
  Kind kind = Kind::unit;
  size_t at = 0;  // in the text
  int64_t integer = 0;  // or a boolean
  std::string_view text = {};  // of a number, a string, a word, a symbol; of dense<...> what stands inside
  std::vector<std::string_view> keys = {};  // of a dictionary, beside its items
  std::vector<Attribute> items = {};
  TensorType type = {};  // of dense<...> : type, or a type
  const Attribute* find(std::string_view key) const;
};

struct Operation;

struct Region {
  std::vector<uint32_t> arguments;
  std::vector<TensorType> argument_types;
  std::vector<Operation> operations;
};

struct Operation {
  std::string_view name;  // stablehlo.add
  size_t at = 0;
  std::vector<uint32_t> operands;
  uint32_t first_result = 0, result_count = 0;
  std::vector<TensorType> result_types;  // as many as results
  Attribute attributes;  // a dictionary
  std::vector<Region> regions;
};

struct Function {
  std::string_view name;
  size_t at = 0;
  bool is_public = true;
  std::vector<TensorType> argument_types, result_types;
  std::vector<std::string_view> argument_names;  // without %
  size_t body_begin = 0, body_end = 0;  // in the text; both 0 for a declaration
  std::optional<Region> body;  // parsed when it is first asked for
  uint32_t value_count = 0;
};

struct Module {
  std::shared_ptr<const Source> source;
  std::vector<Function> functions;
  std::unordered_map<std::string_view, size_t> numbers;  // of functions, by name
  int64_t items = 0;  // found so far
  const Function& body_of(const Function& f);  // with its body parsed
  const Function* find(std::string_view name) const;
};

Module parse_module(std::shared_ptr<const Source> source);

// ---- what the parser is made of
TensorType parse_type(Scanner& in);
std::vector<TensorType> parse_types(Scanner& in, std::string_view until);  // T, T, ... up to the sign, which is taken
Attribute parse_attribute(Scanner& in, int depth = 0);
Attribute parse_dictionary(Scanner& in, char open, int depth);  // {k = v, flag} or <{...}>'s inner part
Attribute parse_convolution_numbers(Scanner& in);  // [b, 0, f]x[0, i, o]->[b, 0, f]
void skip_location(Scanner& in);  // loc(...), where it stands
void add_member(Attribute& dictionary, std::string_view key, Attribute value);

bool is_known(std::string_view operation);  // whether there is an importer for it (frontend/stablehlo/operations.cc)

// The body of a function: operations with their regions, names of values replaced by numbers. A region sees what stands before it in
// the regions around it.
class BodyParser {
 public:
  BodyParser(Scanner& in, Function& function) : in_(in), function_(function) {}
  Region function_body();

 private:
  struct Values {
    uint32_t first, count;
  };
  uint32_t define(std::string_view name, uint32_t count);  // the first of the new values
  uint32_t operand();  // %name or %name#1
  void open_scope();
  void operations(Region& region, bool in_braces);
  void operation(Region& region);
  Region region();  // { ^bb0(%a: T): ... }
  void argument(Region& region);  // %a: T
  void generic(Operation& op);
  void types(Operation& op);
  bool is_constant(Operation& op);
  void items(Operation& op);
  void item(Operation& op);
  void keyed_item(Operation& op);
  void slice_ranges(Operation& op);
  void pretty_while(Operation& op);
  void pretty_reduce(Operation& op);
  void reducer(Operation& op);
  Scanner& in_;
  Function& function_;
  std::vector<std::unordered_map<std::string_view, Values>> scopes_;
};

}  // namespace tenon::hlo
