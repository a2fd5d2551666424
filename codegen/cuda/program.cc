// Renders a program's kernels, those with one text once, and compiles them as modules of up to 16, several at a time.
#include "tenon/codegen/cuda/program.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <numeric>
#include <system_error>
#include <thread>

#include "tenon/codegen/cuda/launch_list.h"
#include "tenon/ir/base/error.h"
#include "tenon/ir/base/undisturbed.h"

namespace tenon::codegen {
namespace {

constexpr size_t module_kernels = 16;
constexpr size_t most_threads = 16;

// The greatest power of two up to 4096 that divides a number of bytes known only as elements: of an extent, its element's.
int64_t alignment_of(Dim elements, int64_t element) {
  if (!elements.is_number()) return element;
  const int64_t bytes = elements.number() * element;
  return bytes == 0 ? 4096 : std::min<int64_t>(4096, bytes & -bytes);
}

int64_t alignment_of(const ir::Operand& o, const ir::ProgramBuffer& b) {
  const int64_t element = bytes(b.dtype);
  const bool callers = b.home == ir::Home::input || b.home == ir::Home::output;
  int64_t alignment = callers ? TENON_BUFFER_ALIGNMENT : TENON_LAUNCHES_ALIGNMENT;
  if (o.part) alignment = std::min(alignment, alignment_of(o.start, element));
  if (o.loop >= 0) alignment = std::min(alignment, alignment_of(o.stride, element));
  return alignment;
}

// What is known of each kernel's buffers at all of its launches.
class Alignments {
 public:
  explicit Alignments(const ir::Program& program) : p_(program) {
    for (const ir::Kernel& k : program.kernels) all_.emplace_back(k.buffers.size(), TENON_LAUNCHES_ALIGNMENT);
    visit(program.steps);
  }
  const std::vector<int64_t>& of(size_t kernel) const { return all_[kernel]; }

 private:
  void visit(const std::vector<ir::Step>& steps) {
    for (const ir::Step& s : steps) {
      visit(s.condition);
      visit(s.body);
      visit(s.otherwise);
      if (s.kind != ir::StepKind::launch) continue;
      size_t next = 0;
      std::vector<int64_t>& mine = all_.at(s.kernel);
      for (size_t b = 0; b < mine.size(); ++b) {
        if (p_.kernels[s.kernel].buffers[b].space == ir::Space::scratch) continue;
        const ir::Operand& o = s.operands.at(next++);
        mine[b] = std::min(mine[b], alignment_of(o, p_.buffers.at(o.buffer)));
      }
    }
  }
  const ir::Program& p_;
  std::vector<std::vector<int64_t>> all_;
};

CudaSource render(ir::Kernel kernel, const std::string& name, const Target& target,
                  const std::vector<int64_t>& alignment, bool lines) {
  kernel.name = name;
  for (size_t b = 0; b < kernel.buffers.size(); ++b) kernel.buffers[b].name = std::to_string(b);
  CudaSource source = render_cuda(kernel, target, alignment, lines);
  if (source.text.empty()) throw InternalError("a kernel cannot be rendered for a GPU: " + source.reason);
  return source;
}

// What a profiler shows: the kernel's own name as far as it is one, and a number.
std::string shown_name(const std::string& name, size_t number) {
  std::string text;
  for (char c : name.substr(0, 40)) text += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return text + "_" + std::to_string(number);
}

struct Rendered {
  std::vector<CudaLaunch> launches;
  std::vector<std::vector<CudaSource>> modules;
};

// What a kernel takes to compile, in units of a small one: a contraction is unrolled into hundreds of instructions.
int64_t weight_of(const ir::Kernel& kernel) {
  int64_t weight = 1 + static_cast<int64_t>(kernel.instructions.size()) / 64;
  for (const ir::Instruction& i : kernel.instructions)
    weight += i.kind == ir::KernelOp::contract ? 6 : i.kind == ir::KernelOp::reduce ? 1 : 0;
  return weight;
}

// Deals kernels of these weights into modules of about equal weight, the heaviest first: the number of each one's module. It depends
// on the program alone, never on the machine.
std::vector<uint32_t> deal(const std::vector<int64_t>& weights) {
  constexpr int64_t module_weight = 16;
  const int64_t all = std::accumulate(weights.begin(), weights.end(), int64_t{0});
  const size_t least = (weights.size() + module_kernels - 1) / module_kernels;
  const size_t count = std::max(least, std::min(weights.size(), static_cast<size_t>(all / module_weight) + 1));
  std::vector<size_t> order(weights.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return weights[a] > weights[b]; });
  std::vector<std::pair<int64_t, size_t>> modules(count);  // weight, kernels
  std::vector<uint32_t> module_of(weights.size());
  for (size_t k : order) {
    size_t best = count;
    for (size_t m = 0; m < count; ++m)
      if (modules[m].second < module_kernels && (best == count || modules[m].first < modules[best].first)) best = m;
    modules[best].first += weights[k];
    ++modules[best].second;
    module_of[k] = static_cast<uint32_t>(best);
  }
  return module_of;
}

Rendered render_all(const ir::Program& program, const Target& target) {
  Rendered r;
  const Alignments alignments(program);
  std::map<std::string, size_t> known;  // by text: number
  std::vector<CudaSource> distinct;
  std::vector<int64_t> weights;
  std::vector<size_t> number_of;
  for (size_t k = 0; k < program.kernels.size(); ++k) {
    const ir::Kernel& kernel = program.kernels[k];
    CudaLaunch launch{&kernel, render(kernel, "k", target, alignments.of(k), false), 0};
    const auto [found, fresh] = known.try_emplace(launch.source.text);
    if (fresh) {
      found->second = distinct.size();
      distinct.push_back(render(kernel, shown_name(kernel.name, known.size()), target, alignments.of(k), true));
      weights.push_back(weight_of(kernel));
    }
    number_of.push_back(found->second);
    launch.source.entry = distinct[found->second].entry;
    launch.source.text.clear();
    r.launches.push_back(std::move(launch));
  }
  const std::vector<uint32_t> module_of = deal(weights);
  for (size_t k = 0; k < r.launches.size(); ++k) r.launches[k].module = module_of[number_of[k]];
  for (size_t d = 0; d < distinct.size(); ++d) {
    if (module_of[d] >= r.modules.size()) r.modules.resize(module_of[d] + 1);
    r.modules[module_of[d]].push_back(std::move(distinct[d]));
  }
  return r;
}

// The line of what the compiler says first; its lines count in the text, or name a node of the graph.
std::string first_error(const std::string& log) {
  const size_t at = log.find("error");
  const size_t begin = at == std::string::npos ? 0 : log.rfind('\n', at) + 1;
  return log.substr(begin, std::min<size_t>(400, log.find('\n', begin) - begin));
}

std::string compile_module(const std::vector<CudaSource>& kernels, int sm) {
  Cubin cubin = compile_cuda_here(cuda_module(kernels), sm);
  if (!cubin.found) throw Error("a program for a GPU cannot be compiled: " + cubin.log + " (tn::doctor() says more)");
  if (!cubin.ok && cubin.refused)
    throw Error("NVRTC does not compile for sm_" + std::to_string(sm) + ": " + first_error(cubin.log) +
                "; install a newer NVRTC and name it by TENON_NVRTC, or choose another target");
  if (!cubin.ok) throw InternalError("NVRTC refuses a kernel: " + first_error(cubin.log));
  return std::move(cubin.image);
}

}  // namespace

std::vector<std::string> compile_cuda_program(const ir::Program& program, const Target& target,
                                              const Options& options) {
  const Undisturbed section;
  cuda_compiler_version();  // NVRTC is loaded here, where locks may be taken
  const Rendered r = render_all(program, target);
  std::vector<std::string> objects(r.modules.size());
  std::vector<std::exception_ptr> failures(objects.size());
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t m; (m = next++) < objects.size();) try {
        objects[m] = compile_module(r.modules[m], target.cuda().sm);
      } catch (...) {
        failures[m] = std::current_exception();
      }
  };
  const size_t cores = std::min<size_t>(most_threads, std::max(1u, std::thread::hardware_concurrency()));
  std::vector<std::thread> threads;
  threads.reserve(cores);
  for (size_t t = 1; t < std::min(cores, objects.size()); ++t) try {
      threads.emplace_back(work);
    } catch (const std::system_error&) {  // no thread to be had: the others do its work
      break;
    }
  work();
  for (std::thread& t : threads) t.join();
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
  objects.push_back(launch_list(program, r.launches, options.stored));
  return objects;
}

}  // namespace tenon::codegen
