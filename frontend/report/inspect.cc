// Looking into compiled functions: IR, kernels with their source lines, memory, and why edges were not fused.
#include "tenon/frontend/report/inspect.h"

#include <algorithm>

#include "tenon/frontend/report/advice.h"
#include "tenon/frontend/report/lines.h"
#include "tenon/frontend/transform/jit_entry.h"
#include "tenon/ir/base/door.h"
#include "tenon/ir/base/number_text.h"
#include "tenon/ir/base/symbols.h"
#include "tenon/ir/graph/bind.h"
#include "tenon/ir/graph/loops.h"
#include "tenon/passes/pass.h"

namespace tenon {
namespace {

std::string amount(Dim d, const std::vector<Symbol>& symbols, const char* unit) {
  if (d.is_symbol()) return to_string(d, symbols) + " " + unit;
  const double v = static_cast<double>(d.number());
  if (v >= 1e9) return fixed(v / 1e9, 2) + " G" + unit;
  if (v >= 1e6) return fixed(v / 1e6, 2) + " M" + unit;
  if (v >= 1e3) return fixed(v / 1e3, 1) + " k" + unit;
  return fixed(v, 0) + " " + unit;
}

// Host functions that vmap calls for each lane in turn, wherever they stand; sub-graphs nest at most deepest_nesting deep.
std::vector<std::string> loops_over_lanes(const ir::Graph& graph) {
  std::vector<std::string> found;
  for (const ir::Node& n : graph.nodes())
    for (const ir::Attr& a : graph.attrs(n)) {
      if (!a.graph) continue;
      if (a.graph->name == ir::lane_by_lane)
        found.push_back("a loop over lanes (" + to_string(graph.location(n)) +
                        "): what vmap cannot make one op of is done lane by lane\n");
      for (std::string& inner : loops_over_lanes(*a.graph)) found.push_back(std::move(inner));
    }
  return found;
}

std::string what_ranks_do(const std::vector<ir::RanksNote>& notes) {
  if (notes.empty()) return "";
  const auto shown = [](int64_t number, const char* unit) { return amount(number, {}, unit); };
  std::string text = "what ranks do together:\n";
  int64_t all = 0, hidden = 0;
  for (const ir::RanksNote& n : notes) {
    text +=
        "  " + n.place + (n.bytes < 0 ? std::string(", of a free extent") : ", of " + shown(n.bytes, "B") + " a rank");
    text += n.hidden == 0 ? std::string(", while nothing else runs")
                          : ", behind " + std::to_string(n.hidden) + (n.hidden == 1 ? " kernel, " : " kernels, ") +
                                shown(n.hidden_flops, "flop");
    text += "\n";
    all += std::max<int64_t>(n.bytes, 0);
    hidden += n.hidden > 0 ? std::max<int64_t>(n.bytes, 0) : 0;
  }
  if (all > 0 && notes.size() > 1)
    text += "  in all " + shown(all, "B") + " a rank, of which " + std::to_string(100 * hidden / all) +
            " % travel behind kernels\n";
  return text;
}

// As the program's kernels have been made from it.
passes::GraphPtr optimized(const detail::JitEntry& entry) {
  return passes::optimize(*detail::compiled_graph(entry), entry.device->target(*entry.device).kind());
}

}  // namespace

std::string Lowered::ir() const {
  return door("ir()", entry_->made, [&] { return entry_->program.graph->text(); });
}
std::string Lowered::program() const try {
  const FloatEnvironment standard;
  passes::Options options;
  options.fuse = entry_->fuse;
  options.donations = entry_->donations;
  return passes::build_program(*detail::compiled_graph(*entry_), entry_->device->target(*entry_->device), options)
      .text();
} catch (...) {
  leave_with_error("program()", entry_->made);
}
Compiled Lowered::compile() const {
  door("compile()", entry_->made, [&] { detail::compile(*entry_); });
  return Compiled(entry_);
}

std::vector<KernelInfo> Compiled::kernels() const try {
  const FloatEnvironment standard;
  const auto graph = optimized(*entry_);
  const ir::Levels levels(*graph);
  std::vector<KernelInfo> out;
  const runtime::Manifest& m = entry_->plain.program->manifest();
  for (const runtime::KernelRecord& k : m.kernels) {
    const auto text = [&](Dim d) { return to_string(d, m.symbols); };
    KernelInfo info{k.name,       k.kind, lines_of(levels, k.nodes), text(k.bytes_read), text(k.bytes_written),
                    text(k.flops)};
    out.push_back(std::move(info));
  }
  return out;
} catch (...) {
  leave_with_error("kernels()", entry_->made);
}

MemoryInfo Compiled::memory() const try {
  const runtime::Executable& program = *entry_->plain.program;
  const runtime::Manifest& m = program.manifest();
  std::vector<int64_t> largest;
  for (const Symbol& s : m.symbols)
    if (s.kind == SymbolKind::free) largest.push_back(s.upper);
  if (std::count(largest.begin(), largest.end(), unbounded_extent) > 0) return {-1, -1, -1};
  const std::vector<int64_t> values = evaluate(m.symbols, largest);
  const auto sum = [&](const std::vector<ir::Type>& types) {
    int64_t sum = 0;
    for (const ir::Type& t : types) {
      const ir::Type type = ir::resolved(t, values);
      int64_t size = bytes(type.dtype);
      bool fits = true;
      for (Dim d : type.shape) fits &= !__builtin_mul_overflow(size, d.number(), &size);
      if (!fits || __builtin_add_overflow(sum, size, &sum)) return int64_t{-1};  // larger than any memory
    }
    return sum;
  };
  return {std::max<int64_t>(-1, program.arena_bytes(largest.data())), sum(m.inputs), sum(m.outputs)};
} catch (const Error&) {  // the largest extents do not go together
  return {-1, -1, -1};
}

bool Compiled::from_cache() const { return entry_->plain.program->from_disk(); }
double Compiled::compile_seconds() const { return entry_->plain.program->compile_seconds(); }

std::string Compiled::explain() const try {
  const FloatEnvironment standard;
  const auto graph = optimized(*entry_);
  const ir::Levels levels(*graph);
  std::string text;
  const std::vector<KernelInfo> all = kernels();
  const runtime::Manifest& m = entry_->plain.program->manifest();
  const auto shown = [&](Dim d, const char* unit) { return amount(d, m.symbols, unit); };
  const int64_t arena = memory().arena_bytes;
  text += std::to_string(all.size()) + " kernels, arena " +
          (m.is_static ? ""
           : arena < 0 ? "without a bound"
                       : "up to ") +
          (arena < 0 ? "" : shown(arena, "B")) + "\n";
  if (const std::string how = entry_->plain.program->describe(); !how.empty()) {
    const runtime::Device& device = entry_->plain.program->device();
    text += "on " + std::string(device.name) + ":" + std::to_string(device.index) + "; " + how + "\n";
  }
  for (size_t i = 0; i < all.size(); ++i) {
    const KernelInfo& k = all[i];
    const runtime::KernelRecord& r = m.kernels[i];
    text += "  " + std::to_string(i) + "  " + k.name + " (" + k.kind + "): reads " + shown(r.bytes_read, "B") +
            ", writes " + shown(r.bytes_written, "B") + ", " + shown(r.flops, "flop") + "\n     ";
    size_t listed = 0;
    for (const std::string& line : k.lines) {
      if (++listed > 8) {
        text += " and " + std::to_string(k.lines.size() - 8) + " more";
        break;
      }
      text += " " + line;
    }
    text += "\n";
  }
  text += what_ranks_do(m.ranks_notes);
  for (const std::string& line : loops_over_lanes(*graph)) text += line;
  for (const std::string& line : advice(*graph)) text += line;
  const auto& notes = m.not_fused;
  if (!notes.empty()) text += "edges that were not fused:\n";
  std::vector<std::pair<std::string, int>> lines;  // equal ones, such as one per parameter, are counted
  for (const ir::FusionNote& n : notes) {
    const std::string line =
        describe_node(levels, n.producer) + " -> " + describe_node(levels, n.consumer) + ": " + n.reason;
    const auto seen = std::find_if(lines.begin(), lines.end(), [&](const auto& l) { return l.first == line; });
    if (seen == lines.end())
      lines.emplace_back(line, 1);
    else
      ++seen->second;
  }
  for (const auto& [line, count] : lines)
    text += "  " + line + (count > 1 ? " (" + std::to_string(count) + " times)" : "") + "\n";
  return text;
} catch (...) {
  leave_with_error("explain()", entry_->made);
}

}  // namespace tenon
