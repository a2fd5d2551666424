// einsum and convolution over dot_general and convolution. Refuses equations with ellipses or a letter twice in one term.
#include <algorithm>
#include <map>
#include <numeric>

#include "tenon/frontend/ops/promote.h"
#include "tenon/ir/base/door.h"

namespace tenon {
namespace {

using Values = std::span<const ir::Value>;

std::vector<std::string> split_terms(const std::string& text) {
  std::vector<std::string> terms{""};
  for (char c : text) {
    if (c == ',')
      terms.emplace_back();
    else
      terms.back() += c;
  }
  return terms;
}

// The equation has no spaces. Operands two at a time, left to right; letters that no later operand and not the
// output needs are summed as soon as they can be.
std::vector<ir::Value> build_einsum(ir::GraphBuilder&, Values given, const ir::Attrs& attrs) {
  const made::Einsum to(attrs);
  const std::string& equation = to.equation;
  std::vector<ir::Value> x;
  for (const ir::Value& v : given) x.push_back(ir::cast(v, to.dtype));
  const size_t arrow = equation.find("->");
  const std::vector<std::string> terms = split_terms(equation.substr(0, arrow));
  const std::string out = equation.substr(arrow + 2);
  const auto has = [](const std::string& s, char c) { return s.find(c) != std::string::npos; };
  const auto axis = [](const std::string& s, char c) { return static_cast<int64_t>(s.find(c)); };
  const auto reduce_to = [&](ir::Value& v, std::string& term, const auto& keep) {
    std::vector<int64_t> axes;
    std::string left;
    for (size_t i = 0; i < term.size(); ++i) {
      if (keep(term[i]))
        left += term[i];
      else
        axes.push_back(static_cast<int64_t>(i));
    }
    if (!axes.empty()) v = ir::reduce(ir::Op::reduce_sum, v, axes);
    term = left;
  };
  ir::Value value = x[0];
  std::string term = terms[0];
  const auto needed = [&](size_t from, char c) {
    for (size_t i = from; i < terms.size(); ++i)
      if (has(terms[i], c)) return true;
    return has(out, c);
  };
  reduce_to(value, term, [&](char c) { return needed(1, c); });
  for (size_t i = 1; i < x.size(); ++i) {
    ir::Value right = x[i];
    std::string other = terms[i];
    reduce_to(right, other, [&](char c) { return has(term, c) || needed(i + 1, c); });
    std::vector<int64_t> lb, rb, lc, rc;
    std::string batch, free_left, free_right;
    for (char c : term) {
      if (!has(other, c))
        free_left += c;
      else if (needed(i + 1, c))
        batch += c, lb.push_back(axis(term, c)), rb.push_back(axis(other, c));
      else
        lc.push_back(axis(term, c)), rc.push_back(axis(other, c));
    }
    for (char c : other)
      if (!has(term, c)) free_right += c;
    value = ir::dot_general(value, right, lb, rb, lc, rc);
    term = batch + free_left + free_right;
  }
  reduce_to(value, term, [&](char c) { return has(out, c); });
  std::vector<int64_t> permutation;
  for (char c : out) permutation.push_back(axis(term, c));
  std::vector<int64_t> straight(permutation.size());
  std::iota(straight.begin(), straight.end(), 0);
  return {permutation == straight ? value : ir::transpose(value, permutation)};
}

}  // namespace

Tensor einsum(const std::string& equation, std::span<const Tensor> operands, const At& where) try {
  const Location at = place(where);
  const auto refuse = [&](const std::string& why) { return Error("einsum \"" + equation + "\": " + why, at); };
  std::string text;
  for (char c : equation)
    if (c != ' ') text += c;
  if (text.find("->") == std::string::npos) {  // implicit: letters that occur once, in alphabetical order
    std::map<char, int> count;
    for (char c : text)
      if (c != ',') ++count[c];
    text += "->";
    for (auto [c, n] : count)
      if (n == 1) text += c;
  }
  const size_t arrow = text.find("->");
  const std::vector<std::string> terms = split_terms(text.substr(0, arrow));
  const std::string out = text.substr(arrow + 2);
  if (terms.size() != operands.size() || operands.empty())
    throw refuse(std::to_string(terms.size()) + " terms for " + std::to_string(operands.size()) + " operands");
  std::map<char, Dim> extents;
  DType dtype = operands[0].dtype();
  for (size_t i = 0; i < terms.size(); ++i) {
    dtype = promote(dtype, operands[i].dtype(), "einsum", at);
    if (terms[i].size() != static_cast<size_t>(operands[i].ndim()))
      throw refuse("term '" + terms[i] + "' does not fit " + describe(operands[i]));
    for (size_t j = 0; j < terms[i].size(); ++j) {
      const char c = terms[i][j];
      if (!std::isalpha(static_cast<unsigned char>(c))) throw refuse(std::string("'") + c + "' is not a letter");
      if (terms[i].find(c, j + 1) != std::string::npos)
        throw refuse("a letter occurs twice in '" + terms[i] + "'; take a diagonal first");
      const auto [it, fresh] = extents.emplace(c, operands[i].shape()[j]);
      if (!fresh && !(it->second == operands[i].shape()[j]))
        throw refuse(std::string("extents of '") + c + "' differ: " + extent_text(it->second) + " and " +
                     extent_text(operands[i].shape()[j]) + " in " + describe(operands[i]));
    }
  }
  for (size_t j = 0; j < out.size(); ++j)
    if (!extents.count(out[j]) || out.find(out[j], j + 1) != std::string::npos)
      throw refuse(std::string("output letter '") + out[j] + "' is unknown or occurs twice");
  return apply({"einsum", build_einsum}, made::EinsumAttrs{.equation = text, .dtype = dtype}, operands, at)[0];
} catch (...) {
  leave_with_error("einsum", place(where));
}
Tensor einsum(const std::string& equation, std::initializer_list<Tensor> operands, const At& at) {
  return einsum(equation, std::span(operands.begin(), operands.size()), at);
}

namespace {
std::vector<ir::Value> build_mixed_convolution(ir::GraphBuilder& b, Values x, const ir::Attrs& attrs) {
  const DType dtype = promote(x[0].dtype(), x[1].dtype(), "convolution", b.location());
  const ir::Value same[] = {ir::cast(x[0], dtype), ir::cast(x[1], dtype)};
  return ir::apply(b, ir::Op::convolution, same, attrs);
}
}  // namespace

Tensor convolution(Operand x, Operand kernel, Convolution c) try {
  const Location at = place_of({&x, &kernel});
  const Operand* const operands[] = {&x, &kernel};
  const DType dtype = common_dtype(operands, "convolution");
  const Tensor inputs[] = {met_in(x, dtype, "convolution"), met_in(kernel, dtype, "convolution")};
  const size_t spatial = inputs[0].ndim() >= 2 ? static_cast<size_t>(inputs[0].ndim() - 2) : 0;
  const auto filled = [&](std::vector<int64_t> v, int64_t fill, const char* what) {
    if (v.empty()) v.assign(spatial, fill);
    if (v.size() != spatial)
      throw Error(std::string("convolution: ") + what + " has one entry per spatial axis of " + describe(inputs[0]),
                  at);
    return v;
  };
  const ir::Attrs attrs = ir::ConvolutionAttrs{.strides = filled(c.strides, 1, "strides"),
                                               .low = filled(c.low, 0, "low"),
                                               .high = filled(c.high, 0, "high"),
                                               .lhs_dilation = filled(c.lhs_dilation, 1, "lhs_dilation"),
                                               .rhs_dilation = filled(c.dilation, 1, "dilation"),
                                               .groups = c.groups};
  if (inputs[0].dtype() != inputs[1].dtype())
    return apply({"convolution", build_mixed_convolution}, attrs, inputs, at)[0];
  return apply_primitive(ir::Op::convolution, attrs, inputs, at)[0];
} catch (...) {
  leave_with_error("convolution", place_of({&x, &kernel}));
}

}  // namespace tenon
