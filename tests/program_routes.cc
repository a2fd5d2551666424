// One entry a route: what it prepares from the graph, and for how many programs. A route that cannot take a program says so
// by giving nothing.
#include "tenon/tests/program_routes.h"
#include "tenon/ir/graph/attributes.h"
#include "tenon/tests/random_target.h"

#include <algorithm>
#include <cmath>

#include "tenon/ir/graph/build.h"
#include "tenon/passes/pass.h"
#include "tenon/runtime/compile.h"
#include "tenon/tests/compiled.h"
#include "tenon/tests/fenced.h"
#include "tenon/tests/program_frontend.h"
#include "tenon/tests/program_machine.h"
#include "tenon/tests/program_shrink.h"
#include "tenon/tests/routes.h"
#include "tenon/tests/shared_object.h"

namespace tenon::testing {

using namespace ir;

namespace {

using Arrays = std::vector<Array>;
using GraphPtr = std::shared_ptr<const Graph>;

bool coin(Random& random, uint64_t one_in = 2) { return random() % one_in == 0; }

Runnable by_text(const Case& c, Random&) {
  const std::string text = c.graph->text();
  const GraphPtr read = parse(text);
  if (read->text() != text) throw InternalError("the text changed on its way:\n" + text + read->text());
  return [read](std::span<const Array> inputs) { return interpret(*read, inputs); };
}

Runnable by_passes(const Case& c, Random& random) {
  static const char* const all[] = {"inline_calls", "simplify", "decompose", "simplify", "dce"};
  std::vector<std::string> names(std::begin(all), std::end(all));
  if (coin(random)) {
    for (uint64_t n = random() % 4; n > 0; --n) names.emplace_back(all[random() % std::size(all)]);
    std::shuffle(names.begin(), names.end(), random);
  }
  return [after = passes::run_passes(*c.graph, names)](std::span<const Array> inputs) {
    return interpret(*after, inputs);
  };
}

// How many scalars the program computes, about: the machine takes a microsecond for each.
int64_t work(const Graph& graph, const std::vector<int64_t>& symbols, int64_t trips) {
  int64_t sum = 0;
  for (const Node& node : graph.nodes()) {
    for (uint32_t r = 0; r < node.result_count; ++r) {
      int64_t count = trips * (def(node.op).expand.lanes ? 40 : 2);
      for (Dim d : graph.type(graph.result(node, r)).shape) count *= Symbols::value(d, symbols);
      if (def(node.op).family == Family::contraction || node.op == Op::scatter)
        for (Dim d : graph.type(graph.operands(node)[1]).shape)
          count *= std::max<int64_t>(1, Symbols::value(d, symbols));
      sum += count;
    }
    for (ValueId v : graph.operands(node)) {
      int64_t count = trips;
      for (Dim d : graph.type(v).shape) count *= Symbols::value(d, symbols);
      sum += count;
    }
    const int64_t inner = node.op == Op::scan ? Symbols::value(Scan(graph, node).length, symbols) : 8;
    for (const Attr& attr : graph.attrs(node))
      if (attr.graph) sum += work(*attr.graph, symbols, trips * inner);
  }
  return sum;
}

constexpr int64_t most_scalars = 60'000'000;  // some seconds of the interpreter's time
int64_t scalars(const Case& c) {
  return work(
      *c.graph,
      c.graph->symbols->size() ? c.graph->symbols->evaluate(dims_of(*c.graph, c.inputs)) : std::vector<int64_t>{}, 1);
}

template <bool fuse>
Runnable machine(const Case& c, Random&) {
  passes::Options options;
  options.fuse = fuse;
  const Program program = passes::build_program(*c.graph, Target::portable(), options);
  if (const std::vector<std::string> unsound = passes::check_buffers(program); !unsound.empty())
    throw InternalError("buffers: " + unsound[0] + "\n" + program.text());
  return [program, graph = c.graph](std::span<const Array> inputs) {
    const Arrays arrays(inputs.begin(), inputs.end());
    const std::vector<int64_t> dims = dims_of(*graph, arrays);
    const std::vector<int64_t> symbols = graph->symbols->size() ? graph->symbols->evaluate(dims) : dims;
    if (work(*graph, symbols, 1) > 60000) return Arrays{};
    return run_program(program, arrays, dims);
  };
}

runtime::CompileOptions uncached() {
  runtime::CompileOptions options;
  options.disk_cache = options.memory_cache = false;
  return options;
}

Runnable running(std::shared_ptr<const runtime::Executable> executable) {
  return [executable](std::span<const Array> inputs) { return executable->run(inputs); };
}

// With every argument against a page that nobody may touch.
Runnable fenced(const Case& c, std::shared_ptr<const runtime::Executable> executable) {
  return [executable, graph = c.graph](std::span<const Array> inputs) {
    return run_fenced(*executable, inputs, dims_of(*graph, Arrays(inputs.begin(), inputs.end())));
  };
}

Runnable fused(const Case& c, Random&) { return fenced(c, runtime::compile(*c.graph, uncached())); }

Runnable op_by_op(const Case& c, Random&) {
  runtime::CompileOptions options = uncached();
  options.fuse = false;
  return running(runtime::compile(*c.graph, options));
}

Runnable portable(const Case& c, Random& random) {
  runtime::CompileOptions options = uncached();
  options.target = Target::portable();
  options.parts = 1 + static_cast<int>(random() % 3);
  const auto read = runtime::Artifact::from_bytes(runtime::compile_artifact(*c.graph, options).bytes());
  if (!read) throw InternalError("the artifact does not read back");
  return fenced(c, runtime::load(*read));
}

Runnable cut_otherwise(const Case& c, Random& random) {
  runtime::CompileOptions options = uncached();
  options.target = random_target(random);
  return fenced(c, runtime::compile(*c.graph, options));
}

Runnable from_disk_cache(const Case& c, Random&) {
  runtime::CompileOptions options;
  options.memory_cache = false;
  auto executable = runtime::compile(*c.graph, options);
  if (!executable->from_disk()) executable = runtime::compile(*c.graph, options);
  if (!executable->from_disk()) throw InternalError("the second compilation did not come from the disk cache");
  return running(executable);
}

// On several threads, then in pieces that a pool might make.
Runnable threads(const Case& c, Random& random) {
  const auto executable = runtime::compile(*c.graph, uncached());
  const auto count = static_cast<int32_t>(2 + random() % 4);
  return [executable, count](std::span<const Array> inputs) {
    const int32_t before = tenon_runtime_threads();
    tenon_runtime_set_threads(count);
    Arrays results = executable->run(inputs);
    tenon_runtime_set_threads(before);
    const tenon_env env = splitting_env();
    const Arrays pieces = executable->run(inputs, &env);
    for (size_t i = 0; i < results.size(); ++i)
      if (const auto text = difference(results[i], pieces[i], NaNs::one_value))
        throw InternalError("in pieces, output " + std::to_string(i) + ": " + *text);
    return results;
  };
}

// Some passes left out, as TENON_PASSES does.
Runnable skipping(const Case& c, Random& random) {
  passes::Options options;
  for (const char* pass : {"inline_calls", "simplify", "schedule", "fuse"})
    if (coin(random)) options.skip.emplace_back(pass);
  const Program program = passes::build_program(*c.graph, codegen::host_target(), options);
  const auto compiled = std::make_shared<Compiled>(program, codegen::host_target(), 1 + static_cast<int>(random() % 3));
  return [program, compiled, graph = c.graph, pieces = coin(random)](std::span<const Array> inputs) {
    const Arrays arrays(inputs.begin(), inputs.end());
    const std::vector<int64_t> dims = dims_of(*graph, arrays);
    const std::vector<int64_t> symbols = graph->symbols->size() ? program.symbols->evaluate(dims) : dims;
    std::vector<const void*> in;
    std::vector<void*> out;
    Arrays results;
    for (const Array& a : arrays) in.push_back(a.data.data());
    for (const Type& type : program.outputs) results.emplace_back(bind(type, symbols));
    for (Array& a : results) out.push_back(a.data.data());
    if (const int32_t code = compiled->run(in, out, dims, pieces))
      throw InternalError("the entry gave " + std::to_string(code));
    return results;
  };
}

// Inputs given away: results lie where they were.
Runnable donating(const Case& c, Random& random) {
  runtime::CompileOptions options = uncached();
  std::vector<bool> taken(c.graph->outputs().size());
  for (uint32_t i = 0; i < c.graph->input_count(); ++i)
    for (uint32_t o = 0; o < taken.size(); ++o)
      if (!taken[o] && c.graph->type(ValueId{i}) == c.graph->type(c.graph->outputs()[o]) && !coin(random, 4)) {
        options.donations.emplace_back(i, o);
        taken[o] = true;
        break;
      }
  if (options.donations.empty()) return {};
  return running(runtime::compile(*c.graph, options));
}

// Extents and small inputs known when the program is compiled.
Runnable specialising(const Case& c, Random&) {
  if (c.graph->symbols->size() == 0) return {};
  return running(runtime::compile(*specialised(*c.graph, c.inputs), uncached()));
}

Runnable constants(const Case& c, Random& random) {
  const GraphPtr graph = specialised(*c.graph, c.inputs);
  GraphBuilder b("main", graph->symbols);
  std::vector<ValueId> operands;
  std::vector<size_t> left;
  for (uint32_t i = 0; i < graph->input_count(); ++i) {
    const Array& a = c.inputs[i];
    if (a.data.size() <= 64 && !coin(random, 4)) {
      operands.push_back(constant(b, a.type.dtype, a.type.shape, std::string(a.data.begin(), a.data.end())).id);
    } else {
      operands.push_back(b.input(a.type));
      left.push_back(i);
    }
  }
  if (left.size() == graph->input_count()) return {};
  const auto run = running(runtime::compile(*b.finish(b.splice(*graph, operands)), uncached()));
  return [run, left](std::span<const Array> inputs) {
    Arrays some;
    for (size_t i : left) some.push_back(inputs[i]);
    return run(some);
  };
}

// On a GPU where there is one, simulated or not; contractions of halves in the contract's order. Every row runs twice: what follows
// the first call is a graph whose nodes change.
Runnable on_gpu(const Case& c, Random&) {
  const runtime::Device* device = runtime::find_device(TargetKind::cuda);
  if (device == nullptr) return {};
  runtime::CompileOptions options = uncached();
  options.device = device;
  options.target = device->target(*device);
  std::get<CudaTarget>(options.target->machine).tensor_cores = false;
  const auto executable = runtime::compile(*c.graph, options);
  return [executable](std::span<const Array> inputs) {
    executable->run(inputs);
    return executable->run(inputs);
  };
}

// Linked by the system's linker and called through the C entry point.
Runnable shared_object(const Case& c, Random&) {
  runtime::CompileOptions options = uncached();
  options.target = Target::portable();
  options.entry = "fuzzed";
  const runtime::Artifact artifact = runtime::compile_artifact(*c.graph, options);
  const auto library = std::make_shared<SharedObject>(std::span(&artifact, 1));
  return [library, manifest = artifact.manifest, graph = c.graph](std::span<const Array> inputs) {
    return library->run(manifest, inputs, dims_of(*graph, Arrays(inputs.begin(), inputs.end())));
  };
}

struct ProgramRoute {
  const char* name;
  uint64_t one_in;  // taken for one program in so many
  Runnable (*prepare)(const Case& c, Random& random);
  bool each_run;  // prepared for the inputs at hand: at one row of values only
};
constexpr ProgramRoute all[] = {
    {"fused", 1, fused, false},
    {"text", 3, by_text, false},
    {"passes", 2, by_passes, false},
    {"machine", 4, machine<true>, false},
    {"machine, not fused", 8, machine<false>, false},
    {"op by op", 4, op_by_op, false},
    {"portable", 5, portable, false},
    {"cut otherwise", 4, cut_otherwise, false},
    {"disk cache", 20, from_disk_cache, false},
    {"threads", 4, threads, false},
    {"passes left out", 5, skipping, false},
    {"donation", 3, donating, false},
    {"specialised", 2, specialising, true},
    {"constants", 6, constants, true},
    {"GPU", 3, on_gpu, false},
    {"shared object", 150, shared_object, false},
    {"eager", 25, eager, true},
    {"jit", 6, jitted, true},
    {"jit, donated", 6, jitted_donated, true},
    {"taped", 25, taped, true},
    {"aot", 200, saved, true},
};
struct Relation {
  const char* name;
  uint64_t one_in;
  std::optional<std::string> (*wrong)(const Case& c, Random& random);
};
constexpr Relation relations[] = {
    {"inner product", 1, inner_product},
    {"backward", 25, tape_agrees},
};

Random random_for(uint64_t seed, const char* route) {
  uint64_t hash = seed * 0x9e3779b97f4a7c15u;
  for (const char* p = route; *p; ++p) hash = (hash ^ static_cast<unsigned char>(*p)) * 1099511628211u;
  return Random(hash);
}

struct Oracle {
  Case program;
  Arrays expected;
};

// Whether the program can be built for the extents at hand: a row may refuse numbers that it takes when they come at run time
// (the extremum of an empty axis).
bool takes_numbers(const Case& c) try {
  specialised(*c.graph, c.inputs);
  return true;
} catch (const Error&) {
  return false;
}

std::optional<std::string> wrong_at(const ProgramRoute& route, const std::vector<Oracle>& runs, uint64_t seed) try {
  Random random = random_for(seed, route.name);
  random();
  const Oracle& first = runs[route.each_run ? random() % runs.size() : 0];
  if (route.each_run && !takes_numbers(first.program)) return std::nullopt;
  const Runnable run = route.prepare(first.program, random);
  if (!run) return std::nullopt;
  for (const Oracle& at : runs) {
    if (route.each_run && &at != &first) continue;
    Arrays actual = run(at.program.inputs);
    if (actual.empty()) continue;  // too much for it
    if (actual.size() != at.expected.size()) return std::to_string(actual.size()) + " outputs";
    for (size_t i = 0; i < actual.size(); ++i) {
      // A program's complex results leave as they lie in memory (passes/planes.cc).
      const Array& wanted = at.expected[i];
      if (is_complex(wanted.type.dtype) && actual[i].type.dtype == DType::u64 &&
          actual[i].data.size() == wanted.data.size())
        actual[i].type = wanted.type;
      if (const auto text = difference(at.expected[i], actual[i], NaNs::one_value))
        return "output " + std::to_string(i) + ": " + *text;
    }
  }
  return std::nullopt;
} catch (const std::exception& e) {
  return e.what();
}

std::optional<std::string> wrong_at(const Relation& relation, const std::vector<Oracle>& runs, uint64_t seed) try {
  Random random = random_for(seed, relation.name);
  random();
  const Case& program = runs[random() % runs.size()].program;
  return takes_numbers(program) ? relation.wrong(program, random) : std::nullopt;
} catch (const std::exception& e) {
  return e.what();
}

std::optional<Finding> check(const std::vector<Case>& cases, uint64_t seed, const OnRoute& on_route,
                             const std::string* only) {
  std::vector<Oracle> runs;
  if (!only || *only == "interpreter") {
    on_route("interpreter");
    if (const std::vector<std::string> unsound = verify(*cases[0].graph); !unsound.empty())
      return Finding{"interpreter", "not sound: " + unsound[0]};
  }
  for (const Case& c : cases) try {
      if (scalars(c) > most_scalars) continue;  // extents that grow by products
      runs.push_back({c, interpret(*c.graph, c.inputs)});
    } catch (const Error&) {  // these extents are refused
    } catch (const std::exception& e) {
      return Finding{"interpreter", e.what()};
    }
  if (runs.empty()) return std::nullopt;
  const auto taken = [&](const char* name, uint64_t one_in) {
    return only ? *only == name : random_for(seed, name)() % one_in == 0;
  };
  const auto ask = [&](const auto& route) -> std::optional<Finding> {
    if (!taken(route.name, route.one_in)) return std::nullopt;
    on_route(route.name);
    if (auto wrong = wrong_at(route, runs, seed)) return Finding{route.name, *wrong};
    return std::nullopt;
  };
  for (const ProgramRoute& route : all)
    if (auto found = ask(route)) return found;
  for (const Relation& relation : relations)
    if (auto found = ask(relation)) return found;
  return std::nullopt;
}

}  // namespace

std::optional<Finding> first_finding(const RandomProgram& program, uint64_t seed, const OnRoute& on_route) {
  std::vector<Case> cases;
  for (const std::vector<int64_t>& values : program.runs) cases.push_back(program.at(values));
  return check(cases, seed, on_route, nullptr);
}

std::optional<Finding> first_finding(const Case& program, uint64_t seed, const std::string& route) {
  return check({program}, seed, [](const char*) {}, &route);
}

}  // namespace tenon::testing
