// einsum over dot_general: ellipses, letters that occur twice in a term (a diagonal), extents of 1 that stretch. Refuses letters
// that the output invents.
#include <algorithm>
#include <map>
#include <numeric>

#include "tenon/frontend/ops/complex_formula.h"
#include "tenon/frontend/ops/diagonal.h"
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

// A letter that occurs twice in a term is its diagonal.
void take_diagonals(std::vector<ir::Value>& x, std::vector<std::string>& terms) {
  for (size_t i = 0; i < x.size(); ++i)
    for (size_t j = 0; j < terms[i].size();) {
      const char letter = terms[i][j];
      const size_t again = terms[i].find(letter, j + 1);
      if (again == std::string::npos) {
        ++j;
        continue;
      }
      x[i] = formula::diagonal(x[i], 0, static_cast<int64_t>(j), static_cast<int64_t>(again));
      terms[i].erase(again, 1).erase(j, 1);
      terms[i] += letter;
    }
}

// Where a term's extent of a letter is 1 and another's is not, it stretches: the term does without the letter.
void stretch(std::vector<ir::Value>& x, std::vector<std::string>& terms) {
  std::map<char, Dim> extents;
  for (size_t i = 0; i < x.size(); ++i)
    for (size_t j = 0; j < terms[i].size(); ++j) {
      Dim& d = extents.emplace(terms[i][j], x[i].shape()[j]).first->second;
      if (d == 1) d = x[i].shape()[j];
    }
  for (size_t i = 0; i < x.size(); ++i) {
    Shape shape;
    std::string left;
    for (size_t j = 0; j < terms[i].size(); ++j) {
      if (x[i].shape()[j] == 1 && !(extents.at(terms[i][j]) == 1)) continue;
      left += terms[i][j];
      shape.push_back(x[i].shape()[j]);
    }
    if (left.size() == terms[i].size()) continue;
    x[i] = ir::reshape(x[i], shape);
    terms[i] = left;
  }
}

// The equation has no spaces. Operands two at a time, left to right; letters that no later operand and not the
// output needs are summed as soon as they can be.
std::vector<ir::Value> build_einsum(ir::GraphBuilder&, Values given, const ir::Attrs& attrs) {
  const made::Einsum to(attrs);
  const std::string& equation = to.equation;
  std::vector<ir::Value> x;
  for (const ir::Value& v : given) x.push_back(ir::cast(v, to.dtype));
  const size_t arrow = equation.find("->");
  std::vector<std::string> terms = split_terms(equation.substr(0, arrow));
  const std::string out = equation.substr(arrow + 2);
  take_diagonals(x, terms);
  stretch(x, terms);
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
    value = formula::bilinear(value, right, to.dtype,
                              [&](ir::Value a, ir::Value b) { return ir::dot_general(a, b, lb, rb, lc, rc); });
    term = batch + free_left + free_right;
  }
  reduce_to(value, term, [&](char c) { return has(out, c); });
  std::vector<int64_t> permutation;
  for (char c : out) permutation.push_back(axis(term, c));
  std::vector<int64_t> straight(permutation.size());
  std::iota(straight.begin(), straight.end(), 0);
  return {permutation == straight ? value : ir::transpose(value, permutation)};
}

// The axes that an ellipsis stands for get digits as letters, counted from the last: '...' of two axes is '10'.
constexpr int most_hidden = 10;

// The equation as build_einsum reads it: no spaces, an arrow, no ellipses. refuse(why) makes the error.
template <class Refuse>
std::string spelled_out(const std::string& equation, std::span<const Tensor> operands, const Refuse& refuse) {
  std::string text;
  for (const char c : equation) {
    if (std::isdigit(static_cast<unsigned char>(c))) throw refuse(std::string("'") + c + "' is not a letter");
    if (c != ' ') text += c;
  }
  const size_t arrow = text.find("->");
  std::vector<std::string> terms = split_terms(text.substr(0, arrow));
  if (terms.size() != operands.size() || operands.empty())
    throw refuse(std::to_string(terms.size()) + " terms for " + std::to_string(operands.size()) + " operands");
  int widest = 0;
  const auto hidden_of = [](int count) {
    std::string letters;
    for (int k = count; k-- > 0;) letters += static_cast<char>('0' + k);
    return letters;
  };
  for (size_t i = 0; i < terms.size(); ++i) {
    const size_t dots = terms[i].find("...");
    if (dots == std::string::npos) continue;
    const int count = operands[i].ndim() - static_cast<int>(terms[i].size() - 3);
    if (count < 0) throw refuse("term '" + terms[i] + "' does not fit " + describe(operands[i]));
    if (count > most_hidden) throw refuse("an ellipsis stands for at most 10 axes; reshape " + describe(operands[i]));
    terms[i].replace(dots, 3, hidden_of(count));
    widest = std::max(widest, count);
  }
  std::string inside, out;
  for (const std::string& t : terms) inside += (inside.empty() && &t == &terms[0] ? "" : ",") + t;
  if (arrow == std::string::npos) {  // implicit: the ellipsis, then letters that occur once, in alphabetical order
    std::map<char, int> count;
    for (const char c : inside)
      if (c != ',' && !std::isdigit(static_cast<unsigned char>(c))) ++count[c];
    out = hidden_of(widest);
    for (const auto& [c, n] : count)
      if (n == 1) out += c;
  } else {
    out = text.substr(arrow + 2);
    if (const size_t dots = out.find("..."); dots != std::string::npos) out.replace(dots, 3, hidden_of(widest));
  }
  return inside + "->" + out;
}

}  // namespace

Tensor einsum(const std::string& equation, std::span<const Tensor> operands, const At& where) try {
  const Location at = place(where);
  const auto refuse = [&](const std::string& why) { return Error("einsum \"" + equation + "\": " + why, at); };
  for (const Tensor& t : operands) (void)as_tensor(Operand(t, at), "einsum");
  const std::string text = spelled_out(equation, operands, refuse);
  const size_t arrow = text.find("->");
  const std::vector<std::string> terms = split_terms(text.substr(0, arrow));
  const std::string out = text.substr(arrow + 2);
  std::map<char, Dim> extents;
  DType dtype = operands[0].dtype();
  for (size_t i = 0; i < terms.size(); ++i) {
    dtype = promote(dtype, operands[i].dtype(), "einsum", at);
    if (terms[i].size() != static_cast<size_t>(operands[i].ndim()))
      throw refuse("term '" + terms[i] + "' does not fit " + describe(operands[i]));
    for (size_t j = 0; j < terms[i].size(); ++j) {
      const char c = terms[i][j];
      if (!std::isalnum(static_cast<unsigned char>(c))) throw refuse(std::string("'") + c + "' is not a letter");
      const Dim here = operands[i].shape()[j];
      if (const size_t again = terms[i].find(c, j + 1); again != std::string::npos)
        if (const Dim there = operands[i].shape()[again]; !(here == there))
          throw refuse(std::string("the two extents of '") + c + "' differ: " + extent_text(here) + " and " +
                       extent_text(there) + " in " + describe(operands[i]));
      Dim& known = extents.emplace(c, here).first->second;
      if (known == 1) known = here;
      if (!(known == here) && !(here == 1))
        throw refuse((std::isdigit(static_cast<unsigned char>(c)) ? std::string("extents of the ellipsis")
                                                                  : std::string("extents of '") + c + "'") +
                     " differ: " + extent_text(known) + " and " + extent_text(here) + " in " + describe(operands[i]));
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

}  // namespace tenon
