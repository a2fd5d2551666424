// Making entries: from a signature and its trace to what calls find, and a word to the caller whose calls find nothing.
#include "tenon/frontend/transform/jit_entry.h"

#include <algorithm>

#include "tenon/frontend/tensor/cell.h"
#include "tenon/ir/base/heap_bytes.h"
#include "tenon/ir/graph/footprint.h"
#include "tenon/runtime/write.h"

namespace tenon::detail {
namespace {

constexpr size_t many_retraces = 16;
constexpr size_t most_watched = 256;  // lists of tensor types whose retraces are counted; then counting starts anew

std::string place_in(size_t argument, const std::string& path) {
  return "argument " + std::to_string(argument) + (path.empty() ? "" : ", '" + path + "'");
}

// The first place in the argument trees that is not the same, tensors aside.
std::string first_difference(const Arguments& a, const Arguments& b) {
  for (size_t n = 0; n < std::min(a.size(), b.size()); ++n) {
    const auto &x = a[n], &y = b[n];
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i)
      if (x[i].path != y[i].path || x[i].tag != y[i].tag || x[i].bytes != y[i].bytes) return place_in(n, x[i].path);
  }
  return "an argument's C++ type";
}

// What is to be said of a trace, when enough have come for tensors of these types; under the lock.
std::string retraced_often(JitState& state, const std::string& types, const Leaves& signature, const JitEntry& entry) {
  if (state.warned_retraces) return {};
  if (state.retraced.size() >= most_watched) state.retraced.clear();
  JitState::Retraced& seen = state.retraced[types];
  if (!seen.first) {
    seen.first = entry.arguments;
    seen.signature = signature.structure.view();
  } else if (seen.signature == signature.structure.view()) {
    return {};  // dropped from the cache, and back
  }
  if (++seen.times < many_retraces) return {};
  state.warned_retraces = true;
  const std::string warning =
      "tenon: the function jitted at " + to_string(state.made) + " was traced " + std::to_string(seen.times) +
      " times for tensors of the same types: a non-tensor member of its arguments changes: " +
      first_difference(*seen.first, *entry.arguments) + ", counting from 0. Pass it as a tensor to compile once.";
  state.retraced.clear();
  return warning;
}

// Same tensors, different C++ values: the caller probably meant to pass a tensor.
void note_trace(JitState& state, const Leaves& signature, const JitEntry& entry) {
  KeyBytes types;
  write_tensors(types, signature.tensors, state.made);
  std::string warning;
  {
    const std::lock_guard lock(state.retracing);
    warning = retraced_often(state, std::string(types.view()), signature, entry);
  }
  if (!warning.empty()) runtime::warn(warning);
}

// Pairs each donated leaf with the first result of its type that is not taken yet.
std::vector<std::pair<uint32_t, uint32_t>> donations(const ir::Graph& g, const std::vector<bool>& donated) {
  std::vector<std::pair<uint32_t, uint32_t>> pairs;
  std::vector<bool> taken(g.outputs().size(), false);
  for (uint32_t i = 0; i < donated.size(); ++i) {
    if (!donated[i]) continue;
    for (uint32_t o = 0; o < taken.size(); ++o)
      if (!taken[o] && g.type(g.outputs()[o]) == g.type(ir::ValueId{i})) {
        taken[o] = true;
        pairs.emplace_back(i, o);
        break;
      }
  }
  return pairs;
}

uint64_t heap_bytes(const TreeItem& item) {
  return tenon::heap_bytes(item.path) + tenon::heap_bytes(item.bytes) + tenon::heap_bytes(item.text);
}

// Without its program. What a traced function captured is the caller's; of the result tree only the tensors can be counted.
uint64_t memory_bytes(const JitEntry& entry) {
  const ir::Graph& graph = *entry.program.graph;
  uint64_t sum = sizeof(JitEntry) - sizeof(Callable) + entry.plain.memory_bytes() + ir::memory_bytes(graph);
  for (const auto& argument : *entry.arguments) {
    sum += sizeof argument + argument.capacity() * sizeof(TreeItem) + block_bytes;
    for (const TreeItem& item : argument) sum += heap_bytes(item);
  }
  for (ir::ValueId v : graph.outputs())
    sum += sizeof(Tensor) + sizeof(Cell) + heap_bytes(graph.type(v)) + 2 * block_bytes;
  return sum + tenon::heap_bytes(entry.parts) + tenon::heap_bytes(entry.donations);
}

std::shared_ptr<runtime::CacheBudget> own_budget(const JitOptions& options, const Location& made) {
  if (!options.memory_cache_bytes) return nullptr;
  return std::make_shared<runtime::CacheBudget>(
      *options.memory_cache_bytes, "the function jitted at " + to_string(made), "raise its .memory_cache_bytes");
}

}  // namespace

JitState::JitState(JitOptions given, const Location& where)
    : options(std::move(given)),
      made(where),
      budget(own_budget(options, made)),
      entries(runtime::CacheKind::jit, budget),
      taped(runtime::CacheKind::jit, budget) {}

void write_tensors(KeyBytes& key, std::span<Tensor* const> tensors, const Location& made) {
  write_types(key, tensors);
  write_modes(key, device_of_all(tensors, "jit", made));
}

void end_signature(const Dynamic* dynamic, Leaves& leaves, const Location& made) {
  dynamic != nullptr ? write_free_types(*dynamic, leaves, made) : write_tensors(leaves.structure, leaves.tensors, made);
}

std::shared_ptr<JitEntry> start_entry(JitState& state, std::vector<std::vector<TreeItem>> arguments) {
  static std::atomic<uint64_t> last{0};
  auto entry = std::make_shared<JitEntry>();
  entry->number = ++last;
  const std::vector<int>& donate = state.options.donate;
  for (int number : donate)
    if (number < 0 || static_cast<size_t>(number) >= arguments.size())
      throw Error("jit: .donate names argument " + std::to_string(number) + " of a call with " +
                      std::to_string(arguments.size()) + "; they are counted from 0",
                  state.made);
  for (size_t n = 0; n < arguments.size(); ++n)
    for (TreeItem& item : arguments[n]) {
      if (item.tag == 't') {
        entry->plain.inputs.push_back(place_in(n, item.path));
        if (!donate.empty())
          entry->plain.donated.push_back(std::find(donate.begin(), donate.end(), static_cast<int>(n)) != donate.end());
      }
      item.tensor = nullptr;
    }
  entry->arguments = std::make_shared<const Arguments>(std::move(arguments));
  entry->fuse = state.options.fuse;
  entry->check_nans = state.options.check_nans || runtime::hunts_nans();
  entry->made = state.made;
  entry->plain.name = state.options.name.empty() ? "jit" : state.options.name;
  entry->plain.warned_donation = state.warned_donation;
  return entry;
}

std::shared_ptr<JitEntry> finish_entry(JitState& state, const Leaves& signature, std::shared_ptr<JitEntry> entry,
                                       const Program& program, const std::vector<Tensor>& inputs,
                                       std::shared_ptr<void> result, const std::vector<TreeItem>& results, bool keep) {
  entry->program = program;
  for (const TreeItem& item : results)
    if (item.tag == 't') entry->results.push_back(item.path);
  entry->donations = donations(*program.graph, entry->plain.donated);
  entry->records = records(inputs);
  std::vector<Tensor> all = inputs;
  all.insert(all.end(), program.captured.begin(), program.captured.end());
  entry->device = &device_of_all(all, entry->plain.name.c_str(), state.made);
  entry->parts = parts_of(inputs);
  entry->parts.resize(program.graph->input_count(), Part::none);
  entry->free = program.graph->symbols->size() != 0;
  // What captured from an enclosing trace, or has its free extents, is good for this one call only.
  bool outside = tracing() && entry->free;
  for (const Tensor& t : program.captured) outside = outside || t.cell()->traced();
  entry->reusable = keep && !outside;
  entry->result = std::move(result);
  if (!entry->reusable) return entry;
  const auto there = state.entries.keep(signature.structure.view(), entry, memory_bytes(*entry));
  if (there == entry) note_trace(state, signature, *entry);
  return there;  // of another thread, if it traced the same signature meanwhile
}

}  // namespace tenon::detail
