// cholesky, lu, lu_factor, qr, eigh, eigvalsh, svd, svdvals: the rows of the op table over matrices, in PyTorch's form.
#include "tenon/frontend/linalg/formulas.h"

namespace tenon::linalg {

using namespace ir::matrices;

namespace {

Values build_cholesky(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs&) {
  return as_given(decomposed(ir::Op::cholesky, computed(x[0])), x[0]);
}

Values build_lu(ir::GraphBuilder& b, std::span<const Value> x, const ir::Attrs&) {
  const Value a = computed(x[0]);
  const Values factors = decomposed(ir::Op::lu, a);
  const Value lu = factors[0], rows = factors[1];
  const Shape batch = batch_of(a);
  const Dim m = height(a), n = width(a), k = b.symbols().minimum(m, n);
  const Value l = part(lower(lu, -1), rank(lu) - 1, 0, k) + identity(b, a.dtype(), batch, m, k);
  const Value u = part(upper(lu), rank(lu) - 2, 0, k);
  Shape square = batch;
  square.push_back(m);
  square.push_back(m);
  const Value row = ir::iota(b, i64, square, static_cast<int64_t>(square.size()) - 2);
  const Value p = ir::cast(eq(row, for_columns(rows, row)), a.dtype());
  return as_given({p, l, u}, x[0]);
}

Values build_lu_factor(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs&) {
  const Values factors = decomposed(ir::Op::lu, computed(x[0]));
  return as_given({factors[0], factors[1]}, x[0]);
}

Values build_qr(ir::GraphBuilder& b, std::span<const Value> x, const ir::Attrs& attrs) {
  const Dim m = height(x[0]), n = width(x[0]);
  if (made::Mode(attrs).complete && !b.symbols().at_least(m, n) && !b.symbols().at_least(n, m))
    throw Error("linalg::qr: a complete qr over free extents needs bounds that say which side is the longer one");
  return as_given(decomposed(ir::Op::qr, computed(x[0]), ir::QrAttrs{.complete = made::Mode(attrs).complete}), x[0]);
}

Values build_eigh(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs&) {
  return as_given(decomposed(ir::Op::eigh, computed(x[0]), ir::SpectralAttrs{.vectors = true}), x[0]);
}
Values build_eigvalsh(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs&) {
  return as_given(decomposed(ir::Op::eigh, computed(x[0]), ir::SpectralAttrs{.vectors = false}), x[0]);
}

Values build_svd(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs&) {
  const Values all = decomposed(ir::Op::svd, computed(x[0]), ir::SpectralAttrs{.vectors = true});
  return as_given({all[1], all[0], all[2]}, x[0]);
}
Values build_svdvals(ir::GraphBuilder&, std::span<const Value> x, const ir::Attrs&) {
  return as_given(decomposed(ir::Op::svd, computed(x[0]), ir::SpectralAttrs{.vectors = false}), x[0]);
}

std::vector<Tensor> decompose(const char* name, BuildFn build, const Operand& a, bool square,
                              const ir::Attrs& attrs = {}) try {
  const Tensor t = square ? square_of(a, name) : matrices_of(a, name);
  return apply({name, build}, attrs, std::span(&t, 1), a.where());
} catch (...) {
  leave_with_error(name, a.where());
}

}  // namespace

Tensor cholesky(Operand a) { return decompose("cholesky", build_cholesky, a, true)[0]; }

Lu lu(Operand a) {
  const std::vector<Tensor> r = decompose("lu", build_lu, a, false);
  return {r[0], r[1], r[2]};
}
LuFactor lu_factor(Operand a) {
  const std::vector<Tensor> r = decompose("lu_factor", build_lu_factor, a, false);
  return {r[0], r[1]};
}

Qr qr(Operand a, const std::string& mode) {
  if (mode != "reduced" && mode != "complete")
    throw Error("linalg::qr: the mode is \"reduced\" or \"complete\", not \"" + mode + "\"", a.where());
  const std::vector<Tensor> r = decompose("qr", build_qr, a, false, made::ModeAttrs{.complete = mode == "complete"});
  return {r[0], r[1]};
}

Eigh eigh(Operand a) {
  const std::vector<Tensor> r = decompose("eigh", build_eigh, a, true);
  return {r[0], r[1]};
}
Tensor eigvalsh(Operand a) { return decompose("eigvalsh", build_eigvalsh, a, true)[0]; }

Svd svd(Operand a) {
  const std::vector<Tensor> r = decompose("svd", build_svd, a, false);
  return {r[0], r[1], r[2]};
}
Tensor svdvals(Operand a) { return decompose("svdvals", build_svdvals, a, false)[0]; }

}  // namespace tenon::linalg
