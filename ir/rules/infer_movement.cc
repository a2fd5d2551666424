// Type rules of sources and of movement. Extents may be symbolic; whatever cannot be decided from numbers must be the same
// symbol, or a definition
// that is checked when the extents are known.
#include <algorithm>

#include "tenon/ir/rules/infer.h"
#include "tenon/ir/rules/window_axes.h"

namespace tenon::ir::rules {
namespace {

std::string extent_text(const InferArgs& args, Dim d) { return to_string(d, &args.symbols); }

void check_count(size_t have, size_t want, const char* name) {
  TENON_REQUIRE(have == want, std::string("attribute '") + name + "' has " + number(static_cast<int64_t>(have)) +
                                  " entries for " + number(static_cast<int64_t>(want)) + " axes");
}

}  // namespace

std::vector<Type> infer_constant(const InferArgs& args) {
  const Constant c(args.attrs);
  const Shape shape(c.shape);
  TENON_REQUIRE(shape.is_static(), "a constant has fixed extents; broadcast a scalar to a symbolic shape");
  const Type type{c.dtype, shape};
  const auto size = static_cast<int64_t>(c.value.size());
  const int64_t want = byte_count(shape, bytes(c.dtype));
  TENON_REQUIRE(size == want, to_string(type) + " takes " + number(want) + " bytes, the value has " + number(size));
  return {type};
}

std::vector<Type> infer_unset(const InferArgs& args) {
  const Unset u(args.attrs);
  check_symbols(args, u.shape);
  return {Type{u.dtype, Shape(u.shape)}};
}

std::vector<Type> infer_iota(const InferArgs& args) {
  const Iota i(args.attrs);
  const Shape shape(i.shape);
  check_symbols(args, i.shape);
  check_axis(i.axis, shape.rank(), "axis");
  TENON_REQUIRE(contains(number_types, i.dtype),
                "iota counts in a real number type, not in " + std::string(name(i.dtype)));
  return {Type{i.dtype, shape}};
}

std::vector<Type> infer_reshape(const InferArgs& args) {
  const Type& x = args.operands[0];
  const Shape shape(Reshape(args.attrs).shape);
  check_symbols(args, shape.dims());
  const Dim from = args.symbols.numel(x.shape), to = args.symbols.numel(shape);
  check_equal(args, from, to, [&] {
    return "a reshape keeps the number of elements: " + to_string(x.shape, &args.symbols) + " has " +
           extent_text(args, from) + ", " + to_string(shape, &args.symbols) + " has " + extent_text(args, to);
  });
  return {Type{x.dtype, shape}};
}

std::vector<Type> infer_broadcast(const InferArgs& args) {
  const Type& x = args.operands[0];
  const Broadcast b(args.attrs);
  const Shape shape(b.shape);
  check_symbols(args, b.shape);
  const auto& axes = b.axes;
  check_count(axes.size(), x.shape.size(), "axes");
  for (size_t i = 0; i < axes.size(); ++i) {
    check_axis(axes[i], shape.rank(), "broadcast axis");
    TENON_REQUIRE(i == 0 || axes[i - 1] < axes[i], "broadcast axes must ascend; transpose first");
    const Dim have = x.shape[i], want = shape[axes[i]];
    TENON_REQUIRE(have == want || have == 1, "axis " + number(static_cast<int64_t>(i)) + " of extent " +
                                                 extent_text(args, have) + " does not broadcast to extent " +
                                                 extent_text(args, want) + " (axis " + number(axes[i]) +
                                                 " of the result): it must be equal or 1");
  }
  return {Type{x.dtype, shape}};
}

std::vector<Type> infer_transpose(const InferArgs& args) {
  const Type& x = args.operands[0];
  const auto& permutation = Transpose(args.attrs).permutation;
  check_count(permutation.size(), x.shape.size(), "permutation");
  check_axes(permutation, x.shape.rank(), "axis");
  Type r{x.dtype, {}};
  for (int64_t axis : permutation) r.shape.push_back(x.shape[axis]);
  return {r};
}

std::vector<Type> infer_slice(const InferArgs& args) {
  const Type& x = args.operands[0];
  const Slice attrs(args.attrs);
  const auto &starts = attrs.starts, &sizes = attrs.sizes;
  const auto& strides = attrs.strides;
  check_count(starts.size(), x.shape.size(), "starts");
  check_count(sizes.size(), x.shape.size(), "sizes");
  check_count(strides.size(), x.shape.size(), "strides");
  check_symbols(args, starts);
  check_symbols(args, sizes);
  Symbols& s = args.symbols;
  for (size_t i = 0; i < starts.size(); ++i) {
    TENON_REQUIRE(strides[i] >= 1, "stride " + number(strides[i]) + " of axis " + number(static_cast<int64_t>(i)) +
                                       " is not positive; reverse the axis first");
    if (sizes[i] == 0) continue;  // reads nothing, wherever it starts
    if (starts[i].is_number() && sizes[i].is_number() && x.shape[i].is_number()) {
      int64_t last;
      const bool overflow = __builtin_mul_overflow(sizes[i].number() - 1, strides[i], &last) ||
                            __builtin_add_overflow(last, starts[i].number(), &last);
      TENON_REQUIRE(!overflow && last < x.shape[i].number(),
                    "axis " + number(static_cast<int64_t>(i)) + " of extent " + extent_text(args, x.shape[i]) +
                        " has no elements " + extent_text(args, starts[i]) + " to " +
                        (overflow ? std::string("beyond 2^63") : number(last)));
    } else if (!(starts[i] == 0 && strides[i] == 1 && sizes[i] == x.shape[i])) {
      // Of no elements the last is the start itself, so that a slice of none may start anywhere up to the end.
      const Dim last = strides[i] == 1 ? sizes[i]
                                       : s.sum(s.product(s.difference(s.maximum(sizes[i], 1), 1), strides[i]),
                                               s.minimum(sizes[i], 1));
      check_at_least(args, x.shape[i], s.sum(starts[i], last), [&] {
        return "axis " + number(static_cast<int64_t>(i)) + " of extent " + extent_text(args, x.shape[i]) +
               " has no elements up to " + extent_text(args, s.sum(starts[i], last));
      });
    }
  }
  return {Type{x.dtype, Shape(sizes)}};
}

std::vector<Type> infer_dynamic_slice(const InferArgs& args) {
  TENON_REQUIRE(!args.operands.empty(), "dynamic_slice takes a tensor and one start per axis");
  const Type& x = args.operands[0];
  const auto& sizes = DynamicSlice(args.attrs).sizes;
  check_count(sizes.size(), x.shape.size(), "sizes");
  check_count(args.operands.size() - 1, x.shape.size(), "starts");
  check_symbols(args, sizes);
  for (size_t i = 0; i < sizes.size(); ++i) {
    check_scalar(args, i + 1, DType::i64, "a start");
    check_at_least(args, x.shape[i], sizes[i], [&] {
      return "size " + extent_text(args, sizes[i]) + " exceeds the extent " + extent_text(args, x.shape[i]) +
             " of axis " + number(static_cast<int64_t>(i));
    });
  }
  return {Type{x.dtype, Shape(sizes)}};
}

std::vector<Type> infer_dynamic_update_slice(const InferArgs& args) {
  TENON_REQUIRE(args.operands.size() >= 2, "dynamic_update_slice takes a tensor, an update and one start per axis");
  const Type &x = args.operands[0], &u = args.operands[1];
  TENON_REQUIRE(x.dtype == u.dtype, "the update is " + std::string(name(u.dtype)) + ", the tensor " +
                                        std::string(name(x.dtype)) + "; cast the update");
  TENON_REQUIRE(x.shape.rank() == u.shape.rank(),
                "the update has " + number(u.shape.rank()) + " axes, the tensor " + number(x.shape.rank()));
  check_count(args.operands.size() - 2, x.shape.size(), "starts");
  for (size_t i = 0; i < x.shape.size(); ++i) {
    check_scalar(args, i + 2, DType::i64, "a start");
    check_at_least(args, x.shape[i], u.shape[i], [&] {
      return "the update's extent " + extent_text(args, u.shape[i]) + " exceeds the extent " +
             extent_text(args, x.shape[i]) + " of axis " + number(static_cast<int64_t>(i));
    });
  }
  return {x};
}

std::vector<Type> infer_pad(const InferArgs& args) {
  const Type& x = args.operands[0];
  check_scalar(args, 1, x.dtype, "the fill");
  const Pad p(args.attrs);
  check_count(p.low.size(), x.shape.size(), "low");
  check_count(p.high.size(), x.shape.size(), "high");
  check_count(p.interior.size(), x.shape.size(), "interior");
  check_symbols(args, p.low);
  check_symbols(args, p.high);
  Type r{x.dtype, {}};
  Symbols& s = args.symbols;
  for (size_t i = 0; i < x.shape.size(); ++i) {
    const int64_t interior = p.interior[i];
    TENON_REQUIRE(interior >= 0, "interior padding is negative on axis " + number(static_cast<int64_t>(i)));
    TENON_REQUIRE(interior < most_bytes, "interior padding is beyond 2^62 on axis " + number(static_cast<int64_t>(i)));
    Dim inner = x.shape[i];
    if (interior > 0 && !(inner == 0))
      inner = inner.is_number() ? s.sum(s.product(inner.number() - 1, interior), inner)
                                : s.sum(s.product(s.difference(s.maximum(inner, 1), 1), interior), inner);
    r.shape.push_back(s.sum(s.sum(p.low[i], inner), p.high[i]));
  }
  return {r};
}

std::vector<Type> infer_concat(const InferArgs& args) {
  TENON_REQUIRE(!args.operands.empty(), "concat takes at least one operand");
  const Type& x = args.operands[0];
  const size_t axis = Concat(args.attrs).axis;
  check_axis(axis, x.shape.rank(), "axis");
  Type r = x;
  for (size_t k = 1; k < args.operands.size(); ++k) {
    const Type& y = args.operands[k];
    TENON_REQUIRE(y.dtype == x.dtype, operand_name(k) + " is " + std::string(name(y.dtype)) + ", operand 0 is " +
                                          std::string(name(x.dtype)) + "; cast one of them");
    TENON_REQUIRE(y.shape.rank() == x.shape.rank(), operand_name(k) + " has " + number(y.shape.rank()) +
                                                        " axes, operand 0 has " + number(x.shape.rank()));
    for (size_t i = 0; i < x.shape.size(); ++i)
      TENON_REQUIRE(i == axis || x.shape[i] == y.shape[i],
                    operand_name(k) + " has extent " + extent_text(args, y.shape[i]) + " at axis " +
                        number(static_cast<int64_t>(i)) + ", operand 0 has " + extent_text(args, x.shape[i]) +
                        ": only the joined axis " + number(static_cast<int64_t>(axis)) + " may differ");
    r.shape[axis] = args.symbols.sum(r.shape[axis], y.shape[axis]);
  }
  return {r};
}

std::vector<Type> infer_reverse(const InferArgs& args) {
  check_axes(Reverse(args.attrs).axes, args.operands[0].shape.rank(), "axis");
  return {args.operands[0]};
}

namespace {

// One more than the largest index that is read along an axis, 0 where there are no positions.
Dim read_to(Symbols& s, Dim positions, int64_t stride, int64_t first_window) {
  return s.sum(s.product(s.difference(s.maximum(positions, 1), 1), stride),
               s.product(s.minimum(positions, 1), first_window));
}

void check_window(const InferArgs& args, const Windows& w, size_t k, Dim extent) {
  constexpr int64_t most = int64_t{1} << 31;
  const std::string along = " of axis " + number(w.axes[k]);
  TENON_REQUIRE(w.taps[k] >= 1 && w.taps[k] <= most, number(w.taps[k]) + " taps" + along + "; a window has 1 to 2^31");
  TENON_REQUIRE(w.strides[k] >= 1 && w.strides[k] <= most, "the stride" + along + " is 1 to 2^31");
  TENON_REQUIRE(w.dilation[k] >= -most && w.dilation[k] <= most && w.dilation[k] != 0,
                "the dilation" + along + " is not zero, and within 2^31");
  const int64_t start = w.starts[k];
  TENON_REQUIRE(start <= most_bytes && start >= behind(w, k),
                "the windows" + along + " start at " + number(start) + " and read in front of element 0");
  if (w.sizes[k] == 0) return;
  int64_t window;
  TENON_REQUIRE(!__builtin_add_overflow(start, ahead(w, k) + 1, &window), "a window" + along + " reaches beyond 2^63");
  const Dim needed = read_to(args.symbols, w.sizes[k], w.strides[k], window);
  check_at_least(args, extent, needed, [&] {
    return extent_text(args, w.sizes[k]) + " windows read up to element " + extent_text(args, needed) + ", the extent" +
           along + " is " + extent_text(args, extent);
  });
}

}  // namespace

std::vector<Type> infer_windows(const InferArgs& args) {
  const Type& x = args.operands[0];
  const Windows w(args.attrs);
  const WindowAxes axes(w);
  const auto count = static_cast<int>(w.axes.size());
  const int rank = x.shape.rank() - (w.tapped ? count : 0);
  TENON_REQUIRE(rank >= 0 && w.at <= static_cast<size_t>(rank),
                "the taps cannot stand before axis " + number(static_cast<int64_t>(w.at)));
  check_axes(w.axes, rank, "axis");
  TENON_REQUIRE(std::is_sorted(w.axes.begin(), w.axes.end()), "windowed axes must ascend");
  check_count(w.taps.size(), w.axes.size(), "taps");
  check_count(w.sizes.size(), w.axes.size(), "sizes");
  check_count(w.starts.size(), w.axes.size(), "starts");
  check_count(w.strides.size(), w.axes.size(), "strides");
  check_count(w.dilation.size(), w.axes.size(), "dilation");
  check_symbols(args, w.sizes);
  Type r = x;
  for (size_t k = 0; k < w.axes.size(); ++k) {
    const auto axis = static_cast<size_t>(w.axes[k]);
    check_window(args, w, k, x.shape[axes.in_operand(axis)]);
    if (w.tapped)
      TENON_REQUIRE(x.shape[w.at + k] == w.taps[k], "axis " + number(static_cast<int64_t>(w.at + k)) + " has " +
                                                        extent_text(args, x.shape[w.at + k]) + " taps, not " +
                                                        number(w.taps[k]));
    r.shape[axes.in_operand(axis)] = w.sizes[k];
  }
  for (size_t k = 0; !w.tapped && k < w.taps.size(); ++k) r.shape.insert(w.at + k, Dim(w.taps[k]));
  return {r};
}

}  // namespace tenon::ir::rules
