// The general forms of gather and scatter, lowered alone, against the interpreter.
#include "tenon/tests/one_node.h"

namespace tenon::ir {
namespace {

using namespace one_node;

// Windows, components in front, lanes that go along with the indices; with extents that are known late.
struct Windowed {
  Shape x, indices;
  GatherAttrs attrs;
};
std::vector<Windowed> windowed(Dim n) {  // n is 5
  return {
      {{7, n}, {4, 2}, {{1, 2}, {}, {}, {}, {0, 1}, 1, {3, 2}}},
      {{n, 6}, {2, 3}, {{0, 2}, {}, {}, {}, {1, 0}, 0, {n, 2}}},
      {{3, n, 4}, {3, 6, 4}, {{}, {1}, {0, 2}, {0, 2}, {1}, 3, {1, 1, 1}}},
      {{n, 6, 19}, {3, n}, {{0, 2}, {}, {0}, {1}, {1}, 2, {1, 2, 19}}},
      {{7, n}, {4}, {{0}, {0}, {}, {}, {0}, 1, {1, 3}}},
  };
}

TEST(Lowering, GatherOfWindows) {
  for (size_t form = 0; form < windowed(1).size(); ++form) {
    Case c;
    Windowed w = windowed(c.symbol("n", 5))[form];
    const Value operands[] = {c.input(f32, w.x), c.indices(w.indices)};
    c.run(apply(c.b, Op::gather, operands, std::move(w.attrs)));
  }
}

TEST(Nest, ScatterOfWindowsByEveryCombiner) {
  for (DType t : {f32, bf16, u8})
    for (const char* combine : {"add", "mul", "min", "max", "set"})
      for (size_t form = 0; form < windowed(1).size(); ++form) {
        Case c;
        Windowed w = windowed(c.symbol("n", 5))[form];
        const GatherAttrs& g = w.attrs;
        ScatterAttrs attrs{combine,
                           g.offset_dims,
                           g.collapsed_slice_dims,
                           g.operand_batching_dims,
                           g.start_indices_batching_dims,
                           g.start_index_map,
                           g.index_vector_dim};
        const Value x = c.input(t, w.x), indices = c.indices(w.indices);
        GraphBuilder shapes("shapes", c.b.graph().symbols);  // what a gather there would read
        const Value reads[] = {{&shapes, shapes.input({t, w.x})}, {&shapes, shapes.input({i64, w.indices})}};
        const Shape updates = apply(shapes, Op::gather, reads, std::move(w.attrs))[0].shape();
        const Value operands[] = {x, indices, c.input(t, updates)};
        c.run(apply(c.b, Op::scatter, operands, std::move(attrs)));
      }
}

}  // namespace
}  // namespace tenon::ir
