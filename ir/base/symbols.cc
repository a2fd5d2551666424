// Arithmetic on extents. Folds what is certain for every value of the symbols and nothing else: n - n is 0, (n + 2) * 3 - 6 is
// n * 3, (n * 6 + 3) / 6 is n, but (n / 2) * 2 stays. Every definition has a form, a polynomial over atoms, by which equal extents
// are found and bounds are proved. Refuses to solve for a symbol; what stays open is checked when the program runs.
#include "tenon/ir/base/symbols.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "tenon/ir/base/error.h"

namespace tenon {
namespace {

__extension__ typedef __int128 Wide;

// A form beyond these is an atom of its own: sound, and found equal to itself alone.
constexpr size_t most_terms = 32, most_atoms = 12;

int64_t saturating_mul(int64_t a, int64_t b) {
  int64_t r;
  if (a == 0 || b == 0) return 0;
  return a == unbounded_extent || b == unbounded_extent || __builtin_mul_overflow(a, b, &r) ? unbounded_extent : r;
}

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && a < 0); }  // b > 0

// What the text form can read back.
bool is_name(std::string_view name) {
  if (name.empty() || name == "max" || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

bool commutes(SymbolKind kind) {
  return kind == SymbolKind::sum || kind == SymbolKind::product || kind == SymbolKind::maximum;
}

bool by_atoms(const Term& a, const Term& b) { return a.atoms < b.atoms; }

// into += f * factor * atoms. False when that is no longer a form.
bool add_scaled(Form& into, const Form& f, int64_t factor, const std::vector<uint32_t>& atoms) {
  for (const Term& t : f) {
    Term scaled;
    if (__builtin_mul_overflow(t.factor, factor, &scaled.factor)) return false;
    std::merge(t.atoms.begin(), t.atoms.end(), atoms.begin(), atoms.end(), std::back_inserter(scaled.atoms));
    const auto at = std::lower_bound(into.begin(), into.end(), scaled, by_atoms);
    if (at == into.end() || at->atoms != scaled.atoms) {
      if (into.size() == most_terms || scaled.atoms.size() > most_atoms) return false;
      into.insert(at, std::move(scaled));
    } else {
      if (__builtin_add_overflow(at->factor, scaled.factor, &at->factor)) return false;
      if (at->factor == 0) into.erase(at);
    }
  }
  return true;
}

}  // namespace

Form Symbols::form(Dim d) const {
  if (d.is_symbol()) return forms_[d.index()];
  return d == 0 ? Form{} : Form{{{}, d.code()}};
}

// What `kind` gives of two extents; empty where that is an atom.
std::optional<Form> Symbols::form_of(SymbolKind kind, Dim a, Dim b) const {
  Form f;
  switch (kind) {
    case SymbolKind::sum:
    case SymbolKind::difference:
      if (add_scaled(f, form(a), 1, {}) && add_scaled(f, form(b), kind == SymbolKind::sum ? 1 : -1, {})) return f;
      return {};
    case SymbolKind::product:
      for (const Term& t : form(b))
        if (!add_scaled(f, form(a), t.factor, t.atoms)) return {};
      return f;
    default: return {};
  }
}

Symbols::Range Symbols::range(const Form& form) const {
  Wide lower = 0, upper = 0;
  bool below = false, above = false;  // unbounded
  for (const Term& t : form) {
    if (t.factor == INT64_MIN) return {INT64_MIN, INT64_MAX};
    int64_t low = std::abs(t.factor), high = low;
    for (uint32_t atom : t.atoms) {
      low = saturating_mul(low, entries_[atom].lower);
      high = saturating_mul(high, entries_[atom].upper);
    }
    if (t.factor > 0)
      lower += low, upper += high, above |= high == unbounded_extent;
    else
      lower -= high, upper -= low, below |= high == unbounded_extent;
  }
  const auto clamped = [](Wide v) { return static_cast<int64_t>(std::clamp<Wide>(v, INT64_MIN, INT64_MAX)); };
  return {below ? INT64_MIN : clamped(lower), above ? INT64_MAX : clamped(upper)};
}

Symbols::Range Symbols::range_of_difference(Dim a, Dim b) const {
  if (const std::optional<Form> f = form_of(SymbolKind::difference, a, b)) return range(*f);
  return {INT64_MIN, INT64_MAX};
}

// A quotient q = a / c that is subtracted makes the rest no smaller than a / c would: c * q is at most a. So n - n / 2 is never negative.
bool Symbols::at_least(Dim a, Dim b) const {
  std::optional<Form> f = form_of(SymbolKind::difference, a, b);
  while (f && range(*f).lower < 0) {
    const auto at = std::find_if(f->begin(), f->end(), [&](const Term& t) {
      return t.factor < 0 && t.atoms.size() == 1 && entries_[t.atoms[0]].kind == SymbolKind::quotient &&
             entries_[t.atoms[0]].right.is_number();
    });
    if (at == f->end()) return false;
    const Symbol& q = entries_[at->atoms[0]];
    const int64_t factor = at->factor;
    f->erase(at);
    Form scaled;
    if (!add_scaled(scaled, *f, q.right.code(), {}) || !add_scaled(scaled, form(q.left), factor, {})) return false;
    f = std::move(scaled);
  }
  return f.has_value();
}

bool Symbols::differ(Dim a, Dim b) const {
  const Range r = range_of_difference(a, b);
  return r.lower > 0 || r.upper < 0;
}

std::string Symbols::bounds_text(Dim d) const {
  if (d.is_number()) return {};
  const Symbol& s = entries_[d.index()];
  return to_string(d, this) + " is " + std::to_string(s.lower) +
         (s.upper == unbounded_extent ? " or more" : " to " + std::to_string(s.upper));
}

Dim Symbols::add(std::string_view name, int64_t lower, int64_t upper) {
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].kind != SymbolKind::free || entries_[i].name != name) continue;
    if (entries_[i].lower != lower || entries_[i].upper != upper)
      throw Error("dimension '" + std::string(name) + "' was named before with other bounds");
    return Dim::symbol(static_cast<uint32_t>(i));
  }
  if (!is_name(name)) throw Error("dimension '" + std::string(name) + "' needs a name of letters, digits and _");
  if (lower < 0 || upper < lower) throw Error("dimension '" + std::string(name) + "' needs bounds 0 <= lower <= upper");
  Symbol s;
  s.name = name;
  s.lower = lower;
  s.upper = upper;
  return push(std::move(s), {});
}

// An entry without a form is an atom.
Dim Symbols::push(Symbol entry, std::optional<Form> form) {
  const auto index = static_cast<uint32_t>(entries_.size());
  entries_.push_back(std::move(entry));
  forms_.push_back(form ? std::move(*form) : Form{{{index}, 1}});
  return Dim::symbol(index);
}

Symbols Symbols::of(std::span<const Symbol> entries) {
  Symbols table;
  for (const Symbol& s : entries) table.push(s, table.form_of(s.kind, s.left, s.right));
  return table;
}

Dim Symbols::combined(SymbolKind kind, Dim a, Dim b) {
  switch (kind) {
    case SymbolKind::sum: return sum(a, b);
    case SymbolKind::difference: return difference(a, b);
    case SymbolKind::product: return product(a, b);
    case SymbolKind::quotient: return quotient(a, b);
    case SymbolKind::maximum: return maximum(a, b);
    case SymbolKind::free: break;
  }
  throw InternalError("a free extent is not computed from others");
}

// The extent that has this form already: a number, or a symbol.
std::optional<Dim> Symbols::known(const Form& form) const {
  if (form.empty()) return Dim(0);
  if (form.size() == 1 && form[0].atoms.empty() && form[0].factor > 0) return Dim(form[0].factor);
  for (uint32_t i = 0; i < forms_.size(); ++i)
    if (forms_[i] == form) return Dim::symbol(i);
  return {};
}

Dim Symbols::define(SymbolKind kind, Dim a, Dim b) {
  // Operands keep the order of the first definition, so that text reads back to the same text.
  for (size_t i = 0; i < entries_.size(); ++i) {
    const Symbol& s = entries_[i];
    if (s.kind != kind) continue;
    if ((s.left == a && s.right == b) || (commutes(kind) && s.left == b && s.right == a))
      return Dim::symbol(static_cast<uint32_t>(i));
  }
  std::optional<Form> form = form_of(kind, a, b);
  if (form)
    if (const std::optional<Dim> same = known(*form)) return *same;
  Symbol s;
  s.kind = kind;
  s.left = a;
  s.right = b;
  for (Dim d : {a, b}) {
    if (!d.is_symbol()) continue;
    s.depth = std::max(s.depth, entries_[d.index()].depth + 1);
    s.terms += entries_[d.index()].terms;  // each at most longest_extent
  }
  if (s.depth > deepest_extent || s.terms > longest_extent)
    throw Error("the definition of an extent is too long: it nests more than " + std::to_string(deepest_extent) +
                " deep or has more than " + std::to_string(longest_extent) +
                " terms; give an extent on the way a name (tn::dim) and pass it as an argument's extent");
  const Range r = bounds_of(kind, a, b, form);
  if (r.upper < 0)
    throw Error("an extent would be negative for every value of its symbols: " + to_string(a, this) + " - " +
                to_string(b, this));
  s.lower = std::max<int64_t>(r.lower, 0);
  s.upper = r.upper;
  return push(std::move(s), std::move(form));
}

Symbols::Range Symbols::range(Dim d) const {
  if (d.is_number()) return {d.code(), d.code()};
  return {entries_[d.index()].lower, entries_[d.index()].upper};
}

// The values that a definition may have: by its form, or where that is an atom by its operands'.
Symbols::Range Symbols::bounds_of(SymbolKind kind, Dim a, Dim b, const std::optional<Form>& form) const {
  if (form) return range(*form);
  const auto [al, au] = range(a);
  const auto [bl, bu] = range(b);
  switch (kind) {
    case SymbolKind::quotient:
      return {bu == unbounded_extent || bl == 0 ? 0 : al / std::max<int64_t>(bu, 1),  // by 0 it is 0
              au == unbounded_extent ? unbounded_extent : au / std::max<int64_t>(bl, 1)};
    case SymbolKind::maximum: return {std::max(al, bl), std::max(au, bu)};
    default: return {0, unbounded_extent};
  }
}

Dim Symbols::sum(Dim a, Dim b) {
  if (a.is_number() && b.is_number()) {
    int64_t r;
    const bool overflow = __builtin_add_overflow(a.code(), b.code(), &r);
    return fitting_extent(overflow, r);
  }
  if (a.is_number()) std::swap(a, b);  // a number stands on the right
  if (b == 0) return a;
  const Symbol left = entries_[a.index()];
  if (b.is_number()) {
    if (left.kind == SymbolKind::sum && left.right.is_number()) return sum(left.left, sum(left.right, b));
    if (left.kind == SymbolKind::difference && left.right.is_number())
      return left.right.code() >= b.code() ? difference(left.left, left.right.code() - b.code())
                                           : sum(left.left, b.code() - left.right.code());
  }
  if (left.kind == SymbolKind::difference && left.right == b) return left.left;  // (n - m) + m
  if (b.is_symbol()) {
    const Symbol right = entries_[b.index()];
    if (right.kind == SymbolKind::difference && right.right == a) return right.left;
  }
  return define(SymbolKind::sum, a, b);
}

Dim Symbols::difference(Dim a, Dim b) {
  if (a == b) return 0;
  if (b == 0) return a;
  if (a.is_number() && b.is_number()) {
    if (a.code() < b.code())
      throw Error("an extent would be negative: " + std::to_string(a.code()) + " - " + std::to_string(b.code()));
    return a.code() - b.code();
  }
  if (a.is_symbol()) {
    const Symbol left = entries_[a.index()];
    if (left.kind == SymbolKind::sum) {
      if (left.right == b) return left.left;  // (n + m) - m
      if (left.left == b) return left.right;
      if (b.is_number() && left.right.is_number())
        return left.right.code() >= b.code() ? sum(left.left, left.right.code() - b.code())
                                             : difference(left.left, b.code() - left.right.code());
    }
    if (left.kind == SymbolKind::difference && b.is_number() && left.right.is_number())
      return difference(left.left, sum(left.right, b));
  }
  if (b.is_symbol()) {
    const Symbol right = entries_[b.index()];
    if (right.kind == SymbolKind::difference && right.left == a) return right.right;  // n - (n - m)
  }
  return define(SymbolKind::difference, a, b);
}

Dim Symbols::product(Dim a, Dim b) {
  if (a == 0 || b == 0) return 0;
  if (a.is_number() && b.is_number()) {
    int64_t r;
    const bool overflow = __builtin_mul_overflow(a.code(), b.code(), &r);
    return fitting_extent(overflow, r);
  }
  if (a.is_number()) std::swap(a, b);
  if (b == 1) return a;
  // The numbers of a product stand last, as one: (n * 2) * (m * 3) is (n * m) * 6.
  const auto take_number = [&](Dim& d) {
    int64_t number = 1;
    if (d.is_number()) {
      number = d.code();
      d = 1;
    } else if (const Symbol s = entries_[d.index()]; s.kind == SymbolKind::product && s.right.is_number()) {
      number = s.right.code();
      d = s.left;
    }
    return number;
  };
  const Dim number = product(take_number(a), take_number(b));
  if (!(b == 1)) a = define(SymbolKind::product, a, b);
  if (number == 1) return a;
  b = number;
  return define(SymbolKind::product, a, b);
}

Dim Symbols::quotient(Dim a, Dim b) {
  if (b == 0) throw Error("an extent is divided by 0");
  if (b == 1) return a;
  if (a.is_number() && b.is_number()) return a.code() / b.code();
  if (const std::optional<Dim> folded = divided(form(a), b, false)) return *folded;
  return define(SymbolKind::quotient, a, b);
}

Dim Symbols::maximum(Dim a, Dim b) {
  if (a == b || b == 0) return a;
  if (a == 0) return b;
  if (a.is_number() && b.is_number()) return std::max(a.code(), b.code());
  if (a.is_number()) std::swap(a, b);
  if (at_least(a, b)) return a;
  if (at_least(b, a)) return b;
  return define(SymbolKind::maximum, a, b);
}

Dim Symbols::minimum(Dim a, Dim b) {
  if (at_least(a, b)) return b;
  if (at_least(b, a)) return a;
  return difference(sum(a, b), maximum(a, b));
}

std::optional<Dim> Symbols::even_quotient(Dim a, Dim b) {
  if (a.is_number() && b.is_number()) {
    if (b == 0 || a.code() % b.code() != 0) return {};
    return a.code() / b.code();
  }
  return divided(form(a), b, true);
}

// The quotient, rounded down, of a form by one term: what that divides, and of a constant rest the whole part. Where it has to come
// out even, and the divisor is not 0, there is no rest. Nothing where that is not certain.
std::optional<Dim> Symbols::divided(const Form& form, Dim by, bool even) {
  const Form divisor = this->form(by);
  if (divisor.size() != 1) return {};
  const Term& d = divisor[0];
  for (uint32_t atom : d.atoms)
    if (!even && entries_[atom].lower < 1) return {};
  Form result;
  for (const Term& t : form) {
    Term part{{}, t.factor / d.factor};
    if (t.factor % d.factor == 0 && std::includes(t.atoms.begin(), t.atoms.end(), d.atoms.begin(), d.atoms.end()))
      std::set_difference(t.atoms.begin(), t.atoms.end(), d.atoms.begin(), d.atoms.end(),
                          std::back_inserter(part.atoms));
    else if (!even && t.atoms.empty() && d.atoms.empty())
      part.factor = floor_div(t.factor, d.factor);
    else
      return {};
    if (!add_scaled(result, {part}, 1, {})) return {};
  }
  return from(result);
}

Dim Symbols::from(const Form& form) {
  if (const std::optional<Dim> same = known(form)) return *same;
  Dim positive = 0, negative = 0;
  for (const Term& t : form) {
    Dim product = 1;
    for (uint32_t atom : t.atoms) product = this->product(product, Dim::symbol(atom));
    Dim& side = t.factor > 0 ? positive : negative;
    side = sum(side, this->product(product, std::abs(t.factor)));
  }
  return difference(positive, negative);
}

// Numbers multiply first, so that equal shapes in another order of numbers and symbols have one numel.
Dim Symbols::numel(const Shape& shape) {
  for (Dim d : shape)
    if (d == 0) return 0;  // whatever the others' product
  Dim number = 1, symbolic = 1;
  for (Dim d : shape) (d.is_number() ? number : symbolic) = product(d.is_number() ? number : symbolic, d);
  return product(symbolic, number);
}

}  // namespace tenon
