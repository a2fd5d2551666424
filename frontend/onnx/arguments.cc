// Extents that are settled form classes: each name and each free extent is one of them, with a number or without.
#include "tenon/frontend/onnx/arguments.h"

#include <algorithm>

#include "tenon/frontend/onnx/tensors.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/transform/dynamic.h"
#include "tenon/frontend/transform/program.h"

namespace tenon::onnx {
namespace {

std::string declared(const Argument& a) {
  if (!a.has_shape) return std::string(name(a.dtype)) + " of any shape";
  std::string text = std::string(name(a.dtype)) + "[";
  for (size_t i = 0; i < a.extents.size(); ++i) {
    const Argument::Extent& e = a.extents[i];
    text += (i > 0 ? ", " : "") + (e.number >= 0 ? std::to_string(e.number) : e.name.empty() ? "?" : e.name);
  }
  return text + "]";
}

}  // namespace

Arguments::Arguments(std::string file, const std::vector<const ValueText*>& inputs) : file_(std::move(file)) {
  for (const ValueText* v : inputs) {
    Argument a{std::string(v->name), known_dtype(v->element).value(), v->has_shape};
    for (const ExtentText& e : v->extents) a.extents.push_back({e.number, std::string(e.name)});
    all_.push_back(std::move(a));
  }
}

void Arguments::refuse(size_t i, const Tensor& t, const std::string& why) const {
  throw Error(file_ + ": input '" + all_[i].name + "' is declared as " + declared(all_[i]) + ", so " + describe(t) +
              " cannot be given as argument " + std::to_string(i) + ": " + why);
}

void Arguments::check(const std::vector<Tensor>& given) const {
  if (given.size() != all_.size()) {
    constexpr size_t most_named = 8;
    std::string names;
    for (size_t i = 0; i < std::min(all_.size(), most_named); ++i)
      names += (i > 0 ? ", '" : ": '") + all_[i].name + "' " + declared(all_[i]);
    throw Error(file_ + ": the model takes " + std::to_string(all_.size()) + " tensors, not " +
                std::to_string(given.size()) + names + (all_.size() > most_named ? " ..." : ""));
  }
  struct Named {
    std::string_view name, input;
    Dim extent;
  };
  std::vector<Named> met;
  for (size_t i = 0; i < given.size(); ++i) {
    const Argument& a = all_[i];
    const Tensor& t = given[i];
    if (!t.defined())
      throw Error(file_ + ": input '" + a.name + "' is declared as " + declared(a) + ", and argument " +
                  std::to_string(i) + " is an undefined tensor");
    if (t.dtype() != a.dtype) refuse(i, t, "its dtype is another");
    if (!a.has_shape) continue;
    if (a.extents.size() != static_cast<size_t>(t.ndim()))
      refuse(i, t, "it has " + std::to_string(t.ndim()) + " axes, not " + std::to_string(a.extents.size()));
    for (size_t k = 0; k < a.extents.size(); ++k) {
      const Argument::Extent& e = a.extents[k];
      const Dim d = t.shape()[k];
      const auto same = [&](Dim wanted) {
        return d.is_number() && wanted.is_number() ? d == wanted
                                                   : !tenon::detail::tracing() || tenon::detail::may_equal(d, wanted);
      };
      const std::string axis = "its axis " + std::to_string(k) + " is " + extent_text(d);
      if (e.number >= 0 && !same(e.number)) refuse(i, t, axis + ", not " + std::to_string(e.number));
      if (e.number >= 0 || e.name.empty()) continue;
      const auto found = std::find_if(met.begin(), met.end(), [&](const Named& n) { return n.name == e.name; });
      if (found == met.end())
        met.push_back({e.name, a.name, d});
      else if (!same(found->extent))
        refuse(i, t,
               axis + ", and '" + e.name + "' is " + extent_text(found->extent) + " in input '" +
                   std::string(found->input) + "'");
    }
  }
}

namespace {

// Extents that are equal, each with what stands for all of them: a number, or the first that was met.
class Classes {
 public:
  Dim of(Dim d) const {
    for (size_t i = 0; i < members_.size(); ++i)
      if (members_[i] == d) return chosen_[i];
    return d;
  }
  bool join(Dim a, Dim b) {  // false where they are two numbers
    const Dim first = of(a), second = of(b);
    if (first == second) return true;
    if (first.is_number() && second.is_number()) return false;
    const Dim chosen = second.is_number() ? second : first, other = second.is_number() ? first : second;
    for (Dim d : {a, b, first, second}) add(d);
    for (Dim& d : chosen_)
      if (d == other) d = chosen;
    return true;
  }

 private:
  void add(Dim d) {
    if (d.is_number() || std::find(members_.begin(), members_.end(), d) != members_.end()) return;
    members_.push_back(d);
    chosen_.push_back(d);
  }
  std::vector<Dim> members_, chosen_;
};

}  // namespace

std::vector<Tensor> Arguments::settled(std::vector<Tensor> given, const Location& at) const {
  Classes classes;
  std::vector<std::pair<std::string_view, Dim>> met;
  for (size_t i = 0; i < given.size(); ++i)
    for (size_t k = 0; k < all_[i].extents.size(); ++k) {
      const Argument::Extent& e = all_[i].extents[k];
      const Dim d = given[i].shape()[k];
      Dim wanted = d;
      if (e.number >= 0) {
        wanted = e.number;
      } else if (!e.name.empty()) {
        const auto found = std::find_if(met.begin(), met.end(), [&](const auto& n) { return n.first == e.name; });
        if (found != met.end())
          wanted = found->second;
        else
          met.emplace_back(e.name, d);
      }
      if (!classes.join(d, wanted))
        refuse(i, given[i],
               "its axis " + std::to_string(k) + " is " + extent_text(classes.of(wanted)) + " there, and " +
                   extent_text(d) + " is " + extent_text(classes.of(d)) + " elsewhere in the model");
    }
  for (Tensor& t : given) {
    Shape shape = t.shape();
    for (size_t k = 0; k < shape.size(); ++k) shape[k] = classes.of(shape[k]);
    t = tenon::detail::settled(t, shape, at);
  }
  return given;
}

}  // namespace tenon::onnx
