// The pipeline from a graph to a program: one list, and the runner that verifies, dumps, times and skips by name.
// Refuses to know what a pass does.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "tenon/ir/base/environment.h"
#include "tenon/ir/base/index_table.h"
#include "tenon/ir/base/undisturbed.h"
#include "tenon/passes/pass.h"
#include "tenon/passes/rebuild.h"

namespace tenon::passes {
namespace {

using namespace ir;

// What the passes work on, one after the other.
struct Work {
  GraphPtr graph;
  FusionPlan plan;
  Program program;
  const Target& target;
  const Options& options;
};

// The donated inputs, where there are any.
std::vector<char> lent(const Work& w) {
  if (w.options.donations.empty()) return {};
  std::vector<char> inputs(w.graph->input_count(), 0);
  for (const auto& [input, output] : w.options.donations)
    if (input < inputs.size()) inputs[input] = 1;
  return inputs;
}

bool every(TargetKind) { return true; }
bool cuda(TargetKind kind) { return kind == TargetKind::cuda; }

struct Pass {
  const char* name;
  GraphPtr (*on_graph)(const Graph&);  // or
  void (*on_work)(Work&);
  bool optional;
  bool (*wanted)(TargetKind) = every;
  enum Levels : uint8_t { each, whole } levels = each;
};

constexpr Pass pipeline[] = {
#define TENON_PASS(name, optional, targets, levels) {#name, name, nullptr, optional, targets, Pass::levels},
#include "tenon/passes/passes.def"
    {"fuse", nullptr, [](Work& w) { w.plan = fuse(*w.graph, w.target, w.options.fuse, lent(w)); }, false},
    {"lower", nullptr, [](Work& w) { w.program = lower(*w.graph, w.plan, w.target, w.options.donations); }, false},
    {"schedule", nullptr, [](Work& w) { w.program = schedule(std::move(w.program), w.target); }, true},
    {"overlap", nullptr,
     [](Work& w) {
       if (w.target.kind() == TargetKind::cpu) w.program = overlap(std::move(w.program));
     },
     true},
    {"plan_buffers", nullptr, [](Work& w) { w.program = plan_buffers(std::move(w.program)); }, false},
};

struct Settings {
  std::string dump;
  std::vector<std::string> skip;
  bool verify = false, time = false;
};

bool switched_on(Variable variable) {
  const std::string value = tenon::environment(variable);
  return !value.empty() && value != "0";
}

Settings read_environment() {
  Settings settings;
  settings.dump = tenon::environment(Variable::dump);
  settings.verify = switched_on(Variable::verify);
  settings.time = switched_on(Variable::debug);
  const std::string passes = tenon::environment(Variable::passes);
  std::string_view rest = passes;
  while (!rest.empty()) {
    const std::string_view word = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    if (!word.empty() && word[0] == '-') settings.skip.emplace_back(word.substr(1));
  }
  return settings;
}

const Settings& environment() {
  static constinit Forever<const Settings> settings;
  return settings.get([] { return new Settings(read_environment()); });
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// ---- verifying

std::string listing(const std::vector<std::string>& findings) {
  std::string text;
  for (const std::string& finding : findings) text += "\n  " + finding;
  return text;
}

// The verifier's findings say "node 7 (add) ..."; the text around the first such node is what one needs to see.
std::string excerpt(const Graph& graph, const std::string& finding) {
  const size_t at = finding.find("node ");
  const auto node =
      at == std::string::npos ? 0 : static_cast<uint32_t>(std::strtoul(finding.c_str() + at + 5, nullptr, 10));
  return node < graph.node_count() ? window(graph, NodeId{node}) : graph.text();
}

void verify_graph(const Graph& graph, const std::string& culprit) {
  if (const std::vector<std::string> findings = verify(graph); !findings.empty())
    throw InternalError(culprit + " left a graph that is not sound:" + listing(findings) + "\n" +
                        excerpt(graph, findings[0]));
}

void verify_program(const Program& program, bool planned, const std::string& culprit) {
  for (const Kernel& kernel : program.kernels)
    if (const std::vector<std::string> findings = verify(kernel); !findings.empty())
      throw InternalError(culprit + " left a kernel that is not sound:" + listing(findings) + "\n" + kernel.text());
  if (!planned) return;
  if (const std::vector<std::string> findings = check_bounds(program); !findings.empty())
    throw InternalError(culprit + " left a kernel that leaves its buffers:" + listing(findings) + "\n" +
                        program.text());
  if (const std::vector<std::string> findings = check_buffers(program); !findings.empty())
    throw InternalError(culprit + " left buffers that overlap:" + listing(findings) + "\n" + program.text());
}

// ---- dumping: one file per pass, named by the program and what it was made from, so that no counter is kept

uint32_t digest(std::string_view text) {
  uint64_t hash = 0;
  for (const char c : text) hash = mix(hash, static_cast<unsigned char>(c));
  return static_cast<uint32_t>(hash);
}

void dump(const std::string& program, size_t number, const char* pass, const std::string& text) {
  const std::string& where = environment().dump;
  if (where == "-") {
    std::fprintf(stderr, "; %s after %s\n%s\n", program.c_str(), pass, text.c_str());
    return;
  }
  const std::string path = where + "/" + program + "." + std::to_string(number) + "." + pass + ".tn";
  if (std::FILE* file = std::fopen(path.c_str(), "w")) {
    std::fwrite(text.data(), 1, text.size(), file);
    std::fclose(file);
  } else {
    std::fprintf(stderr, "tenon: cannot write %s (TENON_DUMP)\n", path.c_str());
  }
}

// ---- running

// Applies a pass to the sub-graphs of control flow first, then to the graph itself. Recursion follows nesting.
GraphPtr on_all_levels(const Graph& graph, GraphPtr (*pass)(const Graph&)) {
  const auto owns_graphs = [&](const Node& node) {
    return std::any_of(graph.attrs(node).begin(), graph.attrs(node).end(),
                       [](const Attr& a) { return a.graph != nullptr; });
  };
  if (std::none_of(graph.nodes().begin(), graph.nodes().end(), owns_graphs)) return pass(graph);
  Rebuild to(graph);
  const GraphPtr inner_done = to.sweep([&](const Node& node) {
    if (!owns_graphs(node)) return to.copy(node);
    Attrs attrs = graph.attrs(node);
    for (Attr& attr : attrs)
      if (attr.graph) attr.graph = on_all_levels(*attr.graph, pass);
    to.set_all(node, to.builder.add(node.op, to.operands(node), std::move(attrs)));
  });
  return pass(*inner_done);
}

// The same graph over another table of the same symbols. Lowering defines symbols, and the caller's table belongs to graphs
// that other threads may be reading. Recursion follows nesting.
GraphPtr over(std::shared_ptr<Symbols> symbols, const Graph& graph) {
  GraphBuilder to(graph.name, symbols);
  to.folding = to.merging = false;  // every value keeps its number
  for (uint32_t i = 0; i < graph.input_count(); ++i) to.input(graph.type(ValueId{i}), graph.input_note(i));
  for (const Node& node : graph.nodes()) {
    Attrs attrs = graph.attrs(node);
    for (Attr& attr : attrs)
      if (attr.graph) attr.graph = over(symbols, *attr.graph);
    to.set_location(graph.location(node));
    to.add(node.op, graph.operands(node), std::move(attrs));
  }
  return to.finish(graph.outputs());
}

// A pass that has nothing to do may give the graph itself.
GraphPtr applied(const Pass& pass, const GraphPtr& graph) {
  if (pass.levels == Pass::each) return on_all_levels(*graph, pass.on_graph);
  const GraphPtr result = pass.on_graph(*graph);
  return result.get() == graph.get() ? graph : result;
}

void run_one(const Pass& pass, Work& work) {
  if (pass.on_graph)
    work.graph = applied(pass, work.graph);
  else
    pass.on_work(work);
}

std::string described(const char* pass, const Graph& graph) {
  return "pass '" + std::string(pass) + "' on '" + graph.name + "'";
}

}  // namespace

std::string left_out() {
  std::string names;
  for (const Pass& pass : pipeline)
    if (contains(environment().skip, pass.name)) names += std::string(" ") + pass.name;
  return names;
}

Program build_program(const Graph& graph, const Target& target, const Options& options) {
  const Settings& settings = environment();
  const auto skipped = [&](const char* pass) { return contains(settings.skip, pass) || contains(options.skip, pass); };
  Options effective = options;
  effective.fuse = options.fuse && !skipped("fuse");  // without fusion every op is a group of its own
  Work work{GraphPtr(GraphPtr{}, &graph), {}, {}, target, effective};  // read, not owned
  if (graph.symbols->size() != 0) work.graph = over(std::make_shared<Symbols>(*graph.symbols), graph);
  std::string program_name;
  if (!settings.dump.empty()) {
    const std::string text = graph.text();
    char suffix[12];
    std::snprintf(suffix, sizeof suffix, "-%08x", digest(text));
    program_name = graph.name + suffix;
    dump(program_name, 0, "input", text);
  }
  for (size_t i = 0; i < std::size(pipeline); ++i) {
    const Pass& pass = pipeline[i];
    if ((pass.optional && skipped(pass.name)) || !pass.wanted(target.kind())) continue;
    const auto start = std::chrono::steady_clock::now();
    try {
      run_one(pass, work);
    } catch (const InternalError& e) {
      throw InternalError(described(pass.name, graph) + " failed: " + e.what() + "\n" + excerpt(*work.graph, e.what()));
    }
    if (settings.time) {
      const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
      std::fprintf(stderr, "tenon: %-12s %9.1f us  %s\n", pass.name, took.count(), graph.name.c_str());
    }
    const bool lowered = pass.on_work && std::string_view(pass.name) != "fuse";
    if (settings.verify && pass.on_graph) verify_graph(*work.graph, described(pass.name, graph));
    if (settings.verify && lowered)
      verify_program(work.program, std::string_view(pass.name) == "plan_buffers", described(pass.name, graph));
    if (!settings.dump.empty())
      dump(program_name, i + 1, pass.name, lowered ? work.program.text() : work.graph->text());
  }
  return std::move(work.program);
}

std::vector<std::string> graph_passes() {
  std::vector<std::string> names;
  for (const Pass& pass : pipeline)
    if (pass.on_graph) names.push_back(pass.name);
  return names;
}

GraphPtr optimize(const Graph& graph, TargetKind kind) {
  GraphPtr result(GraphPtr{}, &graph);
  for (const Pass& pass : pipeline)
    if (pass.on_graph && pass.wanted(kind) && !(pass.optional && contains(environment().skip, pass.name)))
      result = applied(pass, result);
  return result;
}

GraphPtr run_passes(const Graph& graph, std::span<const std::string> names) {
  GraphPtr result = names.empty() ? std::make_shared<Graph>(graph) : GraphPtr(GraphPtr{}, &graph);
  for (const std::string& name : names) {
    const auto* pass = std::find_if(std::begin(pipeline), std::end(pipeline),
                                    [&](const Pass& p) { return name == p.name && p.on_graph; });
    if (pass == std::end(pipeline)) {
      std::string known;
      for (const std::string& other : graph_passes()) known += (known.empty() ? "" : ", ") + other;
      throw Error("there is no graph pass '" + name + "'; there are: " + known);
    }
    result = applied(*pass, result);
    verify_graph(*result, described(pass->name, graph));
  }
  return result;
}

}  // namespace tenon::passes
