// A bool is read, or a line made and written. The tensors of a line are read as printing them reads them: what is shown alone.
#include "tenon/frontend/tensor/at_once.h"

#include <cstdio>

#include "tenon/frontend/report/print.h"
#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/failed_check.h"
#include "tenon/ir/graph/attributes.h"

namespace tenon {
namespace {

void check_now(const ir::Check& check, const Tensor& condition, const Location& at) {
  uint8_t holds = 0;
  buffer_of(condition, "check", at)->read(&holds, 0, 1);
  if (holds == 0) fail_check(check.message, check.place);
}

void print_now(const std::string& format, std::span<const Tensor> tensors, const Location& at) {
  for (const Tensor& t : tensors) check_readable(t, "debug::print", at);
  std::string line;
  for (size_t k = 0; k < format.size(); ++k) {
    const bool brace = format[k] == '{' || format[k] == '}';
    if (brace && format[k + 1] != format[k]) {
      line += to_string(tensors.front().detach(), PrintOptions{});
      tensors = tensors.subspan(1);
    } else {
      line += format[k];
    }
    k += brace;
  }
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

bool happens_at_once(ir::Op op, const ir::Attrs& attrs, std::span<const Tensor> inputs, const Location& at) {
  if (op == ir::Op::check) {
    const ir::Check check(attrs);
    if (check.masked || inputs[0].ndim() != 0) return false;
    check_now(check, inputs[0], at);
    return true;
  }
  if (op != ir::Op::print) return false;
  const ir::Print print(attrs);
  if (print.masked || print.lanes != 0) return false;
  print_now(print.format, inputs, at);
  return true;
}

}  // namespace tenon
