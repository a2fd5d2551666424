// How the dimensions of a tensor lie over the axes of a mesh.
#pragma once

#include <initializer_list>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/frontend/tensor/lane_axes.h"

namespace tenon::dist {

// For each dimension, from the first on, the axis of the mesh that it is cut along, or tn::none; dimensions behind the last are whole.
// Spec{"data", tn::none, "model"}; Spec{} is a tensor that every rank holds whole.
class Spec {
 public:
  struct Dimension {
    Dimension(None) {}  // NOLINT
    Dimension(const char* name) : axis(name) {}  // NOLINT
    Dimension(std::string name) : axis(std::move(name)) {}  // NOLINT
    std::string axis;  // empty: whole
  };
  Spec() = default;
  Spec(std::initializer_list<Dimension> dimensions) : dimensions_(dimensions) {}
  explicit Spec(std::vector<Dimension> dimensions) : dimensions_(std::move(dimensions)) {}
  size_t size() const { return dimensions_.size(); }
  const std::string& operator[](size_t i) const { return dimensions_[i].axis; }
  std::string text() const;  // ("data", none)

 private:
  std::vector<Dimension> dimensions_;
};

// One for all arguments or results, or one for each.
class Specs {
 public:
  Specs(Spec all) : specs_{std::move(all)} {}  // NOLINT
  Specs(std::initializer_list<Spec> each) : specs_(each), listed_(true) {}
  Specs(std::vector<Spec> each) : specs_(std::move(each)), listed_(true) {}  // NOLINT
  template <class... S>
    requires(std::is_convertible_v<const S&, Spec> && ...)
  Specs(const std::tuple<S...>& each)  // NOLINT
      : specs_(std::apply([](const auto&... s) { return std::vector<Spec>{s...}; }, each)), listed_(true) {}
  bool listed() const { return listed_; }
  size_t size() const { return specs_.size(); }
  const Spec& of(size_t i) const { return specs_[listed_ ? i : 0]; }

 private:
  std::vector<Spec> specs_;
  bool listed_ = false;
};

}  // namespace tenon::dist
