// Reference meaning of checks and prints: lane by lane, in ascending order. A line goes to the standard output at once.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>

#include "tenon/ir/base/failed_check.h"
#include "tenon/ir/base/tensor_text.h"
#include "tenon/ir/rules/eval.h"

namespace tenon::ir::rules {
namespace {

// One lane of a tensor, as the text sees it.
struct Lane {
  std::vector<int64_t> extents;
  int64_t bytes = 0;

  Lane(const Array& whole, int64_t lane_axes) : bytes(tenon::bytes(whole.type.dtype)) {
    for (size_t d = static_cast<size_t>(lane_axes); d < whole.type.shape.size(); ++d) {
      extents.push_back(whole.type.shape[d].number());
      bytes *= extents.back();
    }
  }
};

void print_line(const std::string& format, const std::vector<tenon_text_tensor>& tensors) {
  uint64_t size = 0;
  const std::unique_ptr<char, void (*)(void*)> line(
      tenon_text_line(format.data(), format.size(), tensors.data(), &size), &std::free);
  if (line == nullptr) throw std::bad_alloc();
  std::fwrite(line.get(), 1, size, stdout);
  std::fflush(stdout);
}

}  // namespace

std::vector<Array> eval_check(const EvalArgs& args) {
  const Check check(args.attrs);
  const auto &mask = args.operands.front()->data, &holds = args.operands.back()->data;
  for (size_t lane = 0; lane < holds.size(); ++lane)
    if (holds[lane] == 0 && (!check.masked || mask[lane] != 0)) fail_check(check.message, check.place);
  return {};
}

std::vector<Array> eval_print(const EvalArgs& args) {
  const Print print(args.attrs);
  int64_t lanes = 1;
  for (int64_t d = 0; d < print.lanes; ++d) lanes *= args.operands[0]->type.shape[d].number();
  const auto values = args.operands.subspan(print.masked);
  std::vector<Lane> shapes;
  for (const Array* value : values) shapes.emplace_back(*value, print.lanes);
  std::vector<tenon_text_tensor> tensors(values.size());
  for (int64_t lane = 0; lane < lanes; ++lane) {
    if (print.masked && args.operands[0]->data.at(static_cast<size_t>(lane)) == 0) continue;
    for (size_t i = 0; i < values.size(); ++i)
      tensors[i] = {static_cast<int32_t>(values[i]->type.dtype), static_cast<int32_t>(shapes[i].extents.size()),
                    shapes[i].extents.data(), values[i]->data.data() + lane * shapes[i].bytes};
    print_line(print.format, tensors);
  }
  return {};
}

}  // namespace tenon::ir::rules
