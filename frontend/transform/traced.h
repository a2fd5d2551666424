// tn::trace: a callable as a graph that can be read, printed and called. Refuses tensors of other types than it was traced for.
#pragma once

#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tenon/frontend/transform/record.h"

namespace tenon {

namespace detail {
std::string text_of(const Program& p, bool annotated);
std::string stablehlo_text(const Program& p);
}  // namespace detail

class Traced {
 public:
  explicit Traced(std::shared_ptr<detail::Program> p) : program_(std::move(p)) {}
  std::string ir() const { return detail::text_of(*program_, false); }  // canonical text; parse() reads it back
  std::string annotated() const { return detail::text_of(*program_, true); }  // with the C++ line of every op
  // A StableHLO module with the public function @main, which JAX runs and stablehlo::parse reads back. Checks and prints are left out.
  // Error for free extents, and for what StableHLO has nothing for: random bits, ranks, host functions.
  std::string stablehlo() const { return detail::stablehlo_text(*program_); }
  const std::shared_ptr<detail::Program>& program() const { return program_; }
  std::vector<Tensor> operator()(const std::vector<Tensor>& inputs, const At& at = At::current()) const;

 private:
  std::shared_ptr<detail::Program> program_;
};
Traced parse(const std::string& text);  // Error with line and column

template <class F, class... A>
Traced trace(F&& f, const A&... args) {
  return detail::guarded("trace", {},
                         [&] { return Traced(detail::recorded("trace", f, std::tuple<A...>(args...), {}).program); });
}

}  // namespace tenon
