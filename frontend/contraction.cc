// matmul, dot, einsum and convolution over dot_general and convolution.
#include <algorithm>
#include <map>
#include <numeric>

#include "tenon/frontend/promote.h"

namespace tenon {
namespace {

using Values = std::span<const ir::Value>;

// Ranks at least 2; leading axes broadcast and become batch axes.
std::vector<ir::Value> build_matmul(ir::GraphBuilder& b, Values x, const ir::Attrs&) {
  ir::Value lhs = x[0], rhs = x[1];
  const int rank = std::max(lhs.shape().rank(), rhs.shape().rank());
  if (rhs.shape().rank() == 2) {  // one contraction over all leading axes of lhs
    return {ir::dot_general(lhs, rhs, {}, {}, {lhs.shape().rank() - 1}, {0})};
  }
  Shape batch;
  for (int i = 0; i < rank - 2; ++i) {
    const auto at = [&](const Shape& s) {
      const int j = i - (rank - s.rank());
      return j < 0 ? Dim(1) : s[static_cast<size_t>(j)];
    };
    const Dim d = at(lhs.shape()), e = at(rhs.shape());
    batch.push_back(d == 1 ? e : d);
  }
  const auto spread = [&](ir::Value v) {
    Shape full = batch;
    full.push_back(v.shape()[static_cast<size_t>(v.shape().rank() - 2)]);
    full.push_back(v.shape()[static_cast<size_t>(v.shape().rank() - 1)]);
    return v.shape() == full ? v : ir::broadcast_to(v, full);
  };
  lhs = spread(lhs), rhs = spread(rhs);
  std::vector<int64_t> axes(static_cast<size_t>(rank - 2));
  std::iota(axes.begin(), axes.end(), 0);
  static_cast<void>(b);
  return {ir::dot_general(lhs, rhs, axes, axes, {rank - 1}, {rank - 2})};
}
constexpr Emit matmul_emit{"matmul", build_matmul};

}  // namespace

Tensor dot(Operand a, Operand b) {
  const Location at = place_of({&a, &b});
  const std::vector<Tensor> x = promoted("dot", {&a, &b}, at);
  if (x[0].ndim() != 1 || x[1].ndim() != 1 || x[0].shape() != x[1].shape())
    throw Error("dot: two vectors of one length, not " + describe(x[0]) + " and " + describe(x[1]), at);
  if (x[0].dtype() == boolean) throw Error("dot of bools; convert with astype(tn::i32) or use any_of(a & b)", at);
  // A contraction keeps its operands' dtype; a sum of integers is i64, whose low bits are the narrow sum.
  return cast_to(sum(Operand(Operand(x[0], at) * x[1], at)), x[0].dtype(), at);
}

Tensor matmul(Operand a, Operand b) {
  const Location at = place_of({&a, &b});
  const std::vector<Tensor> x = promoted("matmul", {&a, &b}, at);
  Tensor lhs = x[0], rhs = x[1];
  if (lhs.dtype() == boolean) throw Error("matmul of bools; convert with astype(tn::i32) or use any_of(a & b)", at);
  if (lhs.ndim() == 0 || rhs.ndim() == 0)
    throw Error("matmul: operands have at least one axis, not " + describe(lhs) + " and " + describe(rhs) +
                    "; use * for scalars",
                at);
  const Dim k = lhs.shape()[static_cast<size_t>(lhs.ndim() - 1)];
  const Dim l = rhs.shape()[static_cast<size_t>(rhs.ndim() == 1 ? 0 : rhs.ndim() - 2)];
  if (!(k == l))
    throw Error("matmul: the last axis of the left operand (" + to_string(k) + ") must equal the " +
                    (rhs.ndim() == 1 ? "" : "second last axis of the right operand (") +
                    (rhs.ndim() == 1 ? "length of the right operand (" : "") + to_string(l) +
                    ")\n  left:  " + describe(lhs) + "\n  right: " + describe(rhs) +
                    (rhs.ndim() >= 2 && rhs.shape()[static_cast<size_t>(rhs.ndim() - 1)] == k
                         ? "\n  hint: transpose the right operand"
                         : ""),
                at);
  if (lhs.ndim() == 1 && rhs.ndim() == 1) return dot(Operand(lhs, at), rhs);
  const bool row = lhs.ndim() == 1, column = rhs.ndim() == 1;
  if (row) lhs = expand_dims(Operand(lhs, at), 0);
  if (column) rhs = expand_dims(Operand(rhs, at), 1);
  const int n = std::max(lhs.ndim(), rhs.ndim());
  for (int i = 3; i <= n; ++i) {
    if (i > lhs.ndim() || i > rhs.ndim()) continue;
    const Dim d = lhs.shape()[static_cast<size_t>(lhs.ndim() - i)],
              e = rhs.shape()[static_cast<size_t>(rhs.ndim() - i)];
    if (!(d == e) && !(d == 1) && !(e == 1))
      throw Error("matmul: batch axes do not broadcast\n  left:  " + describe(lhs) + "\n  right: " + describe(rhs), at);
  }
  Tensor result = apply_one(matmul_emit, {}, {lhs, rhs}, at);
  if (row) result = squeeze(Operand(result, at), result.ndim() - 2);
  if (column) result = squeeze(Operand(result, at), -1);
  return result;
}

namespace {

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
std::vector<ir::Value> build_einsum(ir::GraphBuilder& b, Values x, const ir::Attrs& attrs) {
  static_cast<void>(b);
  const std::string& equation = made::Einsum(attrs).equation;
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

Tensor einsum(const std::string& equation, std::span<const Tensor> operands, const At& where) {
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
        throw refuse(std::string("extents of '") + c + "' differ: " + to_string(it->second) + " and " +
                     to_string(operands[i].shape()[j]) + " in " + describe(operands[i]));
    }
  }
  for (size_t j = 0; j < out.size(); ++j)
    if (!extents.count(out[j]) || out.find(out[j], j + 1) != std::string::npos)
      throw refuse(std::string("output letter '") + out[j] + "' is unknown or occurs twice");
  std::vector<Tensor> inputs;
  for (const Tensor& t : operands) inputs.push_back(cast_to(t, dtype, at));
  return apply({"einsum", build_einsum}, made::EinsumAttrs{text}, inputs, at)[0];
}
Tensor einsum(const std::string& equation, std::initializer_list<Tensor> operands, const At& at) {
  return einsum(equation, std::span(operands.begin(), operands.size()), at);
}

Tensor convolution(Operand x, Operand kernel, Convolution c) {
  const Location at = place_of({&x, &kernel});
  const std::vector<Tensor> inputs = promoted("convolution", {&x, &kernel}, at);
  const size_t spatial = inputs[0].ndim() >= 2 ? static_cast<size_t>(inputs[0].ndim() - 2) : 0;
  const auto filled = [&](std::vector<int64_t> v, int64_t fill, const char* what) {
    if (v.empty()) v.assign(spatial, fill);
    if (v.size() != spatial)
      throw Error(std::string("convolution: ") + what + " has one entry per spatial axis of " + describe(inputs[0]),
                  at);
    return v;
  };
  return apply_primitive(ir::Op::convolution,
                         ir::ConvolutionAttrs{.strides = filled(c.strides, 1, "strides"),
                                              .low = filled(c.low, 0, "low"),
                                              .high = filled(c.high, 0, "high"),
                                              .lhs_dilation = filled({}, 1, ""),
                                              .rhs_dilation = filled(c.dilation, 1, "dilation"),
                                              .groups = c.groups},
                         inputs, at)[0];
}

}  // namespace tenon
