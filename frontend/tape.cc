// Eager autograd: programs that keep residuals, and backward over the recorded entries in reverse program order.
#include <algorithm>
#include <atomic>
#include <queue>

#include "tenon/frontend/cell.h"
#include "tenon/frontend/ops.h"
#include "tenon/passes/pass.h"

namespace tenon {
namespace {

thread_local bool grad_mode = true;

uint64_t next_sequence() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

ir::Type concrete_type(const ir::Type& type, const std::vector<int64_t>& symbols) {
  if (type.shape.is_static()) return type;
  ir::Type out{type.dtype, {}};
  for (Dim d : type.shape) out.shape.push_back(Dim(Symbols::value(d, symbols)));
  return out;
}

struct Run {
  std::vector<ir::Type> types;
  std::vector<std::shared_ptr<runtime::Buffer>> buffers;
};

Run execute(const runtime::Executable& program, std::span<const void* const> inputs, const std::vector<int64_t>& dims) {
  const runtime::Manifest& m = program.manifest();
  Run run;
  const std::vector<int64_t> symbols = m.symbols.empty() ? std::vector<int64_t>{} : evaluate(m.symbols, dims);
  std::vector<void*> outputs;
  for (const ir::Type& t : m.outputs) {
    run.types.push_back(concrete_type(t, symbols));
    run.buffers.push_back(runtime::Buffer::allocate(byte_count(run.types.back().shape, bytes(t.dtype))));
    outputs.push_back(run.buffers.back()->mutable_data());
  }
  program.run(inputs.data(), outputs.data(), dims.data());
  return run;
}

}  // namespace

bool grad_enabled() { return grad_mode; }
bool set_grad_enabled(bool on) { return std::exchange(grad_mode, on); }
NoGrad::NoGrad() : before_(set_grad_enabled(false)) {}
NoGrad::~NoGrad() { set_grad_enabled(before_); }

bool records(std::span<const Tensor> inputs) {
  if (!grad_mode) return false;
  for (const Tensor& t : inputs)
    if (t.defined() && t.cell()->requires_grad) return true;
  return false;
}

std::shared_ptr<const TapedProgram> make_taped(const ir::Graph& graph, const std::vector<bool>& active,
                                               const runtime::CompileOptions& options) {
  auto program = std::make_shared<TapedProgram>();
  const passes::Vjp vjp = passes::vjp(graph, active);
  const ir::Graph& forward = *vjp.forward;
  program->outputs = static_cast<uint32_t>(graph.outputs().size());
  program->output_is_active = vjp.output_is_active;
  for (uint32_t i = 0; i < active.size(); ++i)
    if (active[i]) program->active_inputs.push_back(i);
  // A residual that is an input or an output of the function is kept by handle; only the others are computed extras.
  std::vector<ir::ValueId> kept(forward.outputs().begin(), forward.outputs().begin() + program->outputs);
  using From = TapedProgram::Residual::From;
  for (uint32_t r = 0; r < vjp.residual_count; ++r) {
    const ir::ValueId v = forward.outputs()[program->outputs + r];
    if (forward.is_input(v)) {
      program->residuals.push_back({From::input, index(v)});
      continue;
    }
    const auto found = std::find(kept.begin(), kept.end(), v);
    const auto at = static_cast<uint32_t>(found - kept.begin());
    if (found == kept.end()) kept.push_back(v);
    program->residuals.push_back(at < program->outputs ? TapedProgram::Residual{From::output, at}
                                                       : TapedProgram::Residual{From::extra, at});
  }
  ir::GraphBuilder builder(graph.name, forward.symbols);
  std::vector<ir::ValueId> inputs;
  for (uint32_t i = 0; i < forward.input_count(); ++i) inputs.push_back(builder.input(forward.type(ir::ValueId{i})));
  const std::vector<ir::ValueId> all = builder.splice(forward, inputs);
  std::vector<ir::ValueId> outputs;
  for (ir::ValueId v : kept)
    outputs.push_back(all[static_cast<size_t>(std::find(forward.outputs().begin(), forward.outputs().end(), v) -
                                              forward.outputs().begin())]);
  program->forward = runtime::compile(*builder.finish(outputs), options);
  program->backward = runtime::compile(*vjp.backward, options);
  return program;
}

std::vector<Tensor> run_plain(const runtime::Executable& program, std::span<const Tensor> inputs,
                              const std::vector<int64_t>& dims, const Location& at) {
  std::vector<const void*> pointers;
  for (const Tensor& t : inputs) pointers.push_back(buffer_of(t, "call", at)->data());
  Run run = execute(program, pointers, dims);
  std::vector<Tensor> results;
  for (size_t i = 0; i < run.types.size(); ++i)
    results.push_back(make_concrete(std::move(run.types[i]), std::move(run.buffers[i]), at));
  return results;
}

std::vector<Tensor> run_taped(const char* name, const std::shared_ptr<const TapedProgram>& program,
                              std::span<const Tensor> inputs, const std::vector<int64_t>& dims, const Location& at) {
  std::vector<const void*> pointers;
  for (const Tensor& t : inputs) pointers.push_back(buffer_of(t, name, at)->data());
  Run run = execute(*program->forward, pointers, dims);

  auto entry = std::make_shared<TapeEntry>();
  entry->sequence = next_sequence();
  entry->name = name;
  entry->where = at;
  entry->program = program;
  entry->dims = dims;
  using From = TapedProgram::Residual::From;
  for (const TapedProgram::Residual& r : program->residuals) {
    if (r.from == From::input) {
      entry->residuals.push_back(buffer_of(inputs[r.number], name, at));
      entry->residual_types.push_back(inputs[r.number].cell()->type);
    } else {
      entry->residuals.push_back(run.buffers[r.number]);
      entry->residual_types.push_back(run.types[r.number]);
    }
  }
  for (uint32_t i : program->active_inputs) entry->inputs.push_back(inputs[i].cell());
  for (uint32_t i = 0; i < program->outputs; ++i) entry->output_types.push_back(run.types[i]);

  std::vector<Tensor> results;
  for (uint32_t i = 0; i < program->outputs; ++i) {
    Tensor t = make_concrete(run.types[i], run.buffers[i], at);
    if (program->output_is_active[i]) {
      t.cell()->requires_grad = true;
      t.cell()->entry = entry;
      t.cell()->output = i;
    }
    results.push_back(std::move(t));
  }
  return results;
}

// A chain of entries is released one by one: each entry's own cells are moved to a list before they go.
TapeEntry::~TapeEntry() {
  std::vector<std::shared_ptr<Cell>> pending = std::move(inputs);
  while (!pending.empty()) {
    std::shared_ptr<Cell> cell = std::move(pending.back());
    pending.pop_back();
    if (cell.use_count() != 1 || !cell->entry || cell->entry.use_count() != 1) continue;
    for (std::shared_ptr<Cell>& below : cell->entry->inputs) pending.push_back(std::move(below));
    cell->entry->inputs.clear();
  }
}

void backward_from(const Tensor& root, const Tensor* cotangent, const Location& at) {
  if (Trace::current()) throw Error("backward() inside a trace; use tn::grad, which composes with every transform", at);
  const std::shared_ptr<Cell>& cell = root.cell();
  if (!cell->requires_grad)
    throw Error(
        "backward(): " + describe(root) + " does not require grad and has no history; make a leaf with requires_grad",
        at);
  if (!cotangent && root.numel() != 1)
    throw Error("backward() needs a one-element tensor, and this is " + describe(root) +
                    "; reduce it first (tn::sum) or pass a cotangent of its shape",
                at);
  if (cotangent && (cotangent->shape() != root.shape() || cotangent->dtype() != root.dtype()))
    throw Error("backward(): the cotangent " + describe(*cotangent) + " does not match " + describe(root), at);
  NoGrad off;
  const Tensor seed = cotangent ? *cotangent : ones_like(root);

  struct Pending {
    std::shared_ptr<TapeEntry> entry;
    std::vector<Tensor> cotangents;
  };
  const auto earlier = [](const Pending* a, const Pending* b) { return a->entry->sequence < b->entry->sequence; };
  std::priority_queue<Pending*, std::vector<Pending*>, decltype(earlier)> queue(earlier);
  std::vector<std::unique_ptr<Pending>> all;
  std::vector<std::pair<TapeEntry*, Pending*>> found;  // sorted by entry
  const auto arrive = [&](const std::shared_ptr<Cell>& to, const Tensor& ct) {
    if (!to->entry) {
      Tensor sum = to->grad ? Tensor(to->grad) + ct : ct;
      to->grad = sum.cell();
      return;
    }
    const auto less = [](const auto& pair, TapeEntry* e) { return pair.first < e; };
    auto it = std::lower_bound(found.begin(), found.end(), to->entry.get(), less);
    if (it == found.end() || it->first != to->entry.get()) {
      if (to->entry->freed)
        throw Error("backward(): the record of '" + to->entry->name + "' (" + tenon::to_string(to->entry->where) +
                        ") was used up by the backward at " + tenon::to_string(to->entry->freed_at) +
                        "; compute the result again before a second backward",
                    at);
      all.push_back(std::make_unique<Pending>(Pending{to->entry, std::vector<Tensor>(to->entry->output_types.size())}));
      it = found.insert(it, {to->entry.get(), all.back().get()});
      queue.push(all.back().get());
    }
    Tensor& slot = it->second->cotangents[to->output];
    slot = slot.defined() ? slot + ct : ct;
  };

  arrive(cell, seed);
  while (!queue.empty()) {
    Pending& p = *queue.top();
    queue.pop();
    TapeEntry& e = *p.entry;
    std::vector<const void*> pointers;
    for (const auto& r : e.residuals) pointers.push_back(r->data());
    std::vector<Tensor> held;
    for (size_t i = 0; i < p.cotangents.size(); ++i) {
      if (!e.program->output_is_active[i]) continue;
      if (!p.cotangents[i].defined())
        p.cotangents[i] = zeros(e.output_types[i].shape, {.dtype = e.output_types[i].dtype});
      held.push_back(p.cotangents[i]);
      pointers.push_back(buffer_of(held.back(), "backward", at)->data());
    }
    Run run = execute(*e.program->backward, pointers, e.dims);
    e.freed = true;
    e.freed_at = at;
    e.residuals.clear();
    for (size_t i = 0; i < e.inputs.size(); ++i)
      if (e.inputs[i]->requires_grad) arrive(e.inputs[i], make_concrete(run.types[i], run.buffers[i], at));
    p.cotangents.clear();
    const auto less = [](const auto& pair, TapeEntry* x) { return pair.first < x; };
    found.erase(std::lower_bound(found.begin(), found.end(), &e, less));
    p.entry.reset();
  }
}

}  // namespace tenon
