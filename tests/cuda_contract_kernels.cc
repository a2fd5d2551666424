// Built by hand, not by the passes, so that every dtype, layout and extent is reached directly.
#include "tenon/tests/cuda_contract_kernels.h"

namespace tenon::testing {

using namespace ir;

Kernel contraction_kernel(const Contraction& c) {
  KernelBuilder b(c.name, c.symbols);
  const DType sum = is_half(c.type) ? DType::f32 : c.type;
  const auto shape = [&](Dim rows, Dim columns, bool turned) {
    return turned ? Shape{c.batch, columns, rows} : Shape{c.batch, rows, columns};
  };
  const BufferId x = b.buffer("x", c.type, shape(c.m, c.k, c.lhs_turned), Space::input);
  const BufferId y = b.buffer("y", c.type, shape(c.k, c.n, c.rhs_turned), Space::input);
  const BufferId bias = c.epilogue ? b.buffer("bias", c.type, Shape{c.n}, Space::input) : BufferId{};
  const BufferId out = b.buffer("out", c.type, Shape{c.batch, c.m, c.n}, Space::output);
  const auto operand = [&](BufferId from, ScalarId batch, ScalarId row, ScalarId column, bool turned,
                           bool exponential) {
    const ScalarId at[] = {batch, turned ? column : row, turned ? row : column};
    Scalar value{&b, b.load(from, at)};
    if (c.computed) value = value + value;
    if (exponential) value = exp(value);
    return cast(value, sum).id;
  };
  std::vector<ScalarId> at = b.open_contract(sum, b.extent(c.batch), b.extent(c.m), b.extent(c.n), b.extent(c.k));
  at = b.close_lhs(operand(x, at[0], at[1], at[2], c.lhs_turned, c.exponential));
  at = b.close_rhs(operand(y, at[0], at[1], at[2], c.rhs_turned, false));
  Scalar value = cast(Scalar{&b, at[3]}, c.type);
  if (c.epilogue) {
    value = value + Scalar{&b, b.load(bias, std::span(&at[2], 1))};
    value = max(value, like(value, 0));
  }
  b.store(out, std::span(at).first(3), value.id);
  b.close_contract();
  return b.finish();
}

}  // namespace tenon::testing
