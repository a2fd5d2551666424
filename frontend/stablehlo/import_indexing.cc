// Gather and scatter: the rows have StableHLO's own attributes and meaning.
#include "tenon/frontend/ops/formula.h"
#include "tenon/frontend/stablehlo/families.h"

namespace tenon::hlo {
namespace {

// The lists and numbers of #stablehlo.gather<...> or #stablehlo.scatter<...>.
class Numbers {
 public:
  Numbers(Call& c, std::string_view key) : c_(c), found_(c.find({key})) {
    c.expects(found_ != nullptr, "it lacks its dimension numbers");
  }
  Axes list(std::string_view key) const {
    const Attribute* a = found_->find(key);
    return a == nullptr ? Axes() : integers_of(c_.scope.importer.source(), *a);
  }
  int64_t index_vector_dim() const {
    const Attribute* a = found_->find("index_vector_dim");
    return a == nullptr ? 0 : a->integer;
  }

 private:
  Call& c_;
  const Attribute* found_;
};

std::vector<Value> gathered(Call& c, const Axes& sizes) {
  const Numbers n(c, "dimension_numbers");
  std::vector<Dim> slice_sizes;
  for (int64_t size : sizes) slice_sizes.push_back(size);
  c.expects(is_integer(c.in[1].dtype()), "indices are integers");
  const Value operands[] = {c.in[0], formula::position(c.in[1])};
  return ir::apply(c.b, ir::Op::gather, operands,
                   ir::GatherAttrs{.offset_dims = n.list("offset_dims"),
                                   .collapsed_slice_dims = n.list("collapsed_slice_dims"),
                                   .operand_batching_dims = n.list("operand_batching_dims"),
                                   .start_indices_batching_dims = n.list("start_indices_batching_dims"),
                                   .start_index_map = n.list("start_index_map"),
                                   .index_vector_dim = n.index_vector_dim(),
                                   .slice_sizes = std::move(slice_sizes)});
}

}  // namespace

std::vector<Value> import_gather(Call& c) {
  c.operands(2);
  return gathered(c, c.integers({"slice_sizes"}));
}

std::vector<Value> import_dynamic_gather(Call& c) {
  c.operands(3);
  return gathered(c, known_numbers(c, c.in[2]));
}

// Operands, indices, updates: as many operands as updates, each combined for itself.
std::vector<Value> import_scatter(Call& c) {
  const size_t count = c.in.size() / 2;
  c.expects(count >= 1 && c.in.size() == 2 * count + 1, "it takes operands, indices and as many updates");
  const std::vector<std::string> combines = combine_names(c, count);
  c.expects(!combines.empty(), "its region combines in a way that scatter does not know");
  const Numbers n(c, "scatter_dimension_numbers");
  c.expects(is_integer(c.in[count].dtype()), "indices are integers");
  const Value indices = formula::position(c.in[count]);
  std::vector<Value> results;
  for (size_t i = 0; i < count; ++i) {
    const Value operands[] = {c.in[i], indices, c.in[count + 1 + i]};
    results.push_back(
        ir::apply(c.b, ir::Op::scatter, operands,
                  ir::ScatterAttrs{.combine = combines[i],
                                   .update_window_dims = n.list("update_window_dims"),
                                   .inserted_window_dims = n.list("inserted_window_dims"),
                                   .input_batching_dims = n.list("input_batching_dims"),
                                   .scatter_indices_batching_dims = n.list("scatter_indices_batching_dims"),
                                   .scatter_dims_to_operand_dims = n.list("scatter_dims_to_operand_dims"),
                                   .index_vector_dim = n.index_vector_dim()})[0]);
  }
  return results;
}

}  // namespace tenon::hlo
