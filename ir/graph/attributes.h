// Attributes by name. From each line of ir/graph/attributes.def:
//   schema::Slice          what a row of the op table says about its attributes
//   Slice s(attrs)         a view: s.starts, s.sizes, s.strides refer into `attrs`, which outlives it. No checks: the builder
//                          and the verifier have compared the attributes with the schema
//   SliceAttrs{.starts = ..., .sizes = ..., .strides = ...}   the attributes of a node to be built
// Nothing else knows the order in which a node holds its attributes.
#pragma once

#include <algorithm>
#include <cstring>

#include "tenon/ir/graph/graph.h"

namespace tenon::ir {

// How a field lies in an Attr: what a view reads, what a value is, and what the schema says.
namespace field {

struct integers {
  using View = const std::vector<int64_t>&;
  using Value = std::vector<int64_t>;
  static constexpr AttrKind kind = AttrKind::integers;
  static View read(const Attr& a) { return a.integers; }
  static Attr store(Value v) { return Attr::of(std::move(v)); }
};
struct integer {
  using View = int64_t;
  using Value = int64_t;
  static constexpr AttrKind kind = AttrKind::integers;
  static constexpr AttrCount count = AttrCount::one;
  static View read(const Attr& a) { return a.integers.front(); }
  static Attr store(Value v) { return Attr::of(std::vector<int64_t>{v}); }
};
struct axis {  // an index; a negative one in a node that no rule has seen reads as one far outside every shape
  using View = size_t;
  using Value = size_t;
  static constexpr AttrKind kind = AttrKind::integers;
  static constexpr AttrCount count = AttrCount::one;
  static View read(const Attr& a) { return static_cast<size_t>(a.integers.front()); }
  static Attr store(Value v) { return Attr::of(std::vector<int64_t>{static_cast<int64_t>(v)}); }
};
struct flag {
  using View = bool;
  using Value = bool;
  static constexpr AttrKind kind = AttrKind::integers;
  static constexpr AttrCount count = AttrCount::flag;
  static View read(const Attr& a) { return a.integers.front() != 0; }
  static Attr store(Value v) { return Attr::of(std::vector<int64_t>{v}); }
};
struct option : integer {
  static constexpr AttrCount count = AttrCount::option;
};
struct dims {
  using View = const std::vector<Dim>&;
  using Value = std::vector<Dim>;
  static constexpr AttrKind kind = AttrKind::dims;
  static View read(const Attr& a) { return a.dims; }
  static Attr store(Value v) { return Attr::of(std::move(v)); }
};
struct dim {
  using View = Dim;
  using Value = Dim;
  static constexpr AttrKind kind = AttrKind::dims;
  static constexpr AttrCount count = AttrCount::one;
  static View read(const Attr& a) { return a.dims.front(); }
  static Attr store(Value v) { return Attr::of(std::vector<Dim>{v}); }
};
struct dtype {
  using View = DType;
  using Value = DType;
  static constexpr AttrKind kind = AttrKind::dtype;
  static View read(const Attr& a) { return a.dtype; }
  static Attr store(Value v) { return Attr::of(v); }
};
struct text {
  using View = const std::string&;
  using Value = std::string;
  static constexpr AttrKind kind = AttrKind::text;
  static View read(const Attr& a) { return a.text; }
  static Attr store(Value v) { return Attr::text_of(std::move(v)); }
};
struct literal {
  using View = const std::string&;
  using Value = std::string;
  static constexpr AttrKind kind = AttrKind::literal;
  static View read(const Attr& a) { return a.text; }
  static Attr store(Value v) { return Attr::literal_of(std::move(v)); }
};
struct number {  // a double, bit for bit
  using View = double;
  using Value = double;
  static constexpr AttrKind kind = AttrKind::literal;
  static View read(const Attr& a) {
    double number = 0;
    std::memcpy(&number, a.text.data(), std::min(a.text.size(), sizeof number));
    return number;
  }
  static Attr store(Value v) { return Attr::literal_of(std::string(reinterpret_cast<const char*>(&v), sizeof v)); }
};
struct graph {
  using View = const std::shared_ptr<const Graph>&;
  using Value = std::shared_ptr<const Graph>;
  static constexpr AttrKind kind = AttrKind::graph;
  static View read(const Attr& a) { return a.graph; }
  static Attr store(Value v) { return Attr::of(std::move(v)); }
};

template <class Field>
constexpr AttrSpec spec(const char* name) {
  AttrSpec s{name, Field::kind, AttrCount::any};
  if constexpr (requires { Field::count; }) s.count = Field::count;
  return s;
}

// Where a view's members read from, one after the other in the order of the line.
class Cursor {
 protected:
  explicit Cursor(const Attrs& attrs) : next_(attrs.data()) {}
  template <class Field>
  typename Field::View read() {
    return Field::read(*next_++);
  }

 private:
  const Attr* next_;
};

}  // namespace field

// What the macros of a list of schemas become, one after the other: schemas, views, values; in a source file, the values'
// conversions to Attrs.
#define TENON_ATTRS_SCHEMA(Name, fields) inline constexpr AttrSpec Name[] = {fields};
#define TENON_FIELD_SCHEMA(kind, member) ::tenon::ir::field::spec<::tenon::ir::field::kind>(#member),
#define TENON_ATTRS_VIEW(Name, fields)                                                  \
  struct Name : private ::tenon::ir::field::Cursor {                                    \
    explicit Name(const ::tenon::ir::Attrs& attrs) : Cursor(attrs) {}                   \
    Name(const ::tenon::ir::Graph& g, const ::tenon::ir::Node& n) : Name(g.attrs(n)) {} \
    fields                                                                              \
  };
#define TENON_FIELD_VIEW(kind, member) ::tenon::ir::field::kind::View member = read<::tenon::ir::field::kind>();
#define TENON_ATTRS_VALUES(Name, fields)     \
  struct Name##Attrs {                       \
    fields operator ::tenon::ir::Attrs() &&; \
  };
#define TENON_FIELD_VALUES(kind, member) ::tenon::ir::field::kind::Value member = {};
#define TENON_ATTRS_STORE(Name, fields)          \
  Name##Attrs::operator ::tenon::ir::Attrs()&& { \
    ::tenon::ir::Attrs attrs;                    \
    fields return attrs;                         \
  }
#define TENON_FIELD_STORE(kind, member) attrs.push_back(::tenon::ir::field::kind::store(std::move(member)));

namespace schema {
#define TENON_ATTRS TENON_ATTRS_SCHEMA
#define FIELD TENON_FIELD_SCHEMA
#include "tenon/ir/graph/attributes.def"
}  // namespace schema

#define TENON_ATTRS TENON_ATTRS_VIEW
#define FIELD TENON_FIELD_VIEW
#include "tenon/ir/graph/attributes.def"

#define TENON_ATTRS TENON_ATTRS_VALUES
#define FIELD TENON_FIELD_VALUES
#include "tenon/ir/graph/attributes.def"

// Adds the options that are left out.
void complete(const OpDef& row, Attrs& attrs);
// What is wrong with attributes by their row's schema; empty when nothing is.
std::string attrs_fault(const OpDef& row, const Attrs& attrs);

}  // namespace tenon::ir
