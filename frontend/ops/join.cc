// Long lists of tensors joined eagerly. Off the tape the device copies each part into its place: nothing is compiled. On the tape
// parts are joined by programs of few arities (powers of two, pairs), whose results are joined in turn: their pullbacks are
// compiled once, whatever the length, and elements and cotangents are copied, so bits are those of one program. Refuses traces,
// which have no lengths to come, and lists in which a value stands twice: its cotangents are added in the order of one program.
#include "tenon/frontend/ops/join.h"

#include <algorithm>
#include <bit>
#include <set>
#include <tuple>

#include "tenon/frontend/ops/promote.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/frontend/tensor/placement.h"
#include "tenon/frontend/tensor/tape.h"
#include "tenon/frontend/tensor/trace.h"

namespace tenon {
namespace {

constexpr size_t most_arity = 64;

Tensor copied_together(const Joining& j, std::span<const Tensor> parts, const Location& at) {
  const auto axis = static_cast<size_t>(j.axis);
  const int64_t size = bytes(j.type.dtype);
  const runtime::Device& device = device_of_all(parts, j.list.name, at);
  auto whole = runtime::Buffer::allocate(byte_count(j.type.shape, size), device);
  const bool some = whole->size() > 0;
  int64_t rows = some, place = 0;
  for (size_t i = 0; some && i < axis; ++i) rows *= j.type.shape[i].number();
  const int64_t row = some ? whole->size() / rows : 0;
  for (const Tensor& p : parts) {
    const Tensor t = cast_to(p, j.type.dtype, at);
    const runtime::Buffer& part = *buffer_of(t, j.list.name, at);
    const int64_t run = some ? part.size() / rows : 0;
    whole->copy_rows(place, row, part, run, rows);
    place += run;
  }
  Tensor result = make_concrete(j.type, std::move(whole), at);
  pass_gradients_on(parts, std::span(&result, 1));
  return result;
}

bool has_value_twice(std::span<const Tensor> parts) {
  std::set<std::tuple<const void*, uint32_t, const void*>> seen;
  for (const Tensor& p : parts) {
    if (!p.cell()->active()) continue;
    const TapeSource s = source_of(p.cell());
    if (!seen.emplace(s.entry.get(), s.output, s.leaf.get()).second) return true;
  }
  return false;
}

// How many neighbours one program joins: a power of two of equals, or two that differ.
size_t arity_at(std::span<const Tensor> list) {
  const auto equal = [&](const Tensor& t) {
    return t.dtype() == list[0].dtype() && t.shape() == list[0].shape() &&
           part_of(*t.cell()) == part_of(*list[0].cell());
  };
  size_t run = 1;
  while (run < std::min(list.size(), most_arity) && equal(list[run])) ++run;
  return run > 1 ? std::bit_floor(run) : std::min<size_t>(list.size(), 2);
}

Tensor joined_in_steps(const Joining& j, std::span<const Tensor> parts, const Location& at) {
  std::vector<Tensor> list(parts.begin(), parts.end());
  for (bool first = true; first || list.size() > 1; first = false) {
    std::vector<Tensor> next;
    for (size_t i = 0, arity = 0; i < list.size(); i += arity) {
      arity = arity_at(std::span(list).subspan(i));
      const auto some = std::span(list).subspan(i, arity);
      next.push_back(arity == 1 && !first ? list[i] : apply(first ? j.list : j.joined, j.attrs, some, at)[0]);
    }
    list = std::move(next);
  }
  return list[0];
}

}  // namespace

bool is_long_list(std::span<const Tensor> parts) { return parts.size() > most_joined && Trace::current() == nullptr; }

Tensor join_list(const Joining& j, std::span<const Tensor> parts, const Location& at) {
  for (const Tensor& p : parts) buffer_of(p, j.list.name, at);
  if (!records(parts)) return copied_together(j, parts, at);
  return has_value_twice(parts) ? apply(j.list, j.attrs, parts, at)[0] : joined_in_steps(j, parts, at);
}

}  // namespace tenon
