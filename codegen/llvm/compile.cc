// Programs to relocatable objects: kernels are dealt into modules by weight, each module goes straight through LLVM's code
// generator (no pass pipeline), and each object is checked for what it may contain. Refuses undefined symbols other than
// memcpy, memset, the program's own custom calls and what its other objects define.
#include <llvm/IR/Module.h>
#include <llvm/Support/raw_ostream.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <set>
#include <system_error>
#include <thread>

#include "tenon/codegen/codegen.h"
#include "tenon/codegen/llvm/contract/shared.h"
#include "tenon/codegen/llvm/emitter.h"
#include "tenon/codegen/llvm/kernel.h"
#include "tenon/codegen/llvm/object.h"
#include "tenon/codegen/llvm/pipeline.h"
#include "tenon/codegen/llvm/program.h"
#include "tenon/codegen/room.h"
#include "tenon/ir/base/error.h"
#include "tenon/ir/base/undisturbed.h"

namespace tenon::codegen {

namespace {

// What compiling costs, about: as many instructions as LLVM sees of a kernel without a contraction.
size_t weight_of(const ir::Kernel& kernel) {
  size_t weight = kernel.instructions.size() + 24;
  for (const ir::Instruction& i : kernel.instructions)
    if (i.kind == ir::KernelOp::contract) weight += 150;
  return weight;
}

// Kernel numbers of each part, and the part that holds the entry is the first. Heaviest first into the lightest part.
std::vector<std::vector<size_t>> deal(const ir::Program& program, int parts) {
  const size_t count =
      std::max<size_t>(1, std::min<size_t>(static_cast<size_t>(std::max(1, parts)), program.kernels.size()));
  std::vector<std::vector<size_t>> result(count);
  std::vector<size_t> order(program.kernels.size()), load(count, 0), weights;
  for (const ir::Kernel& kernel : program.kernels) weights.push_back(weight_of(kernel));
  for (size_t k = 0; k < order.size(); ++k) order[k] = k;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return weights[a] > weights[b]; });
  for (size_t k : order) {
    const size_t part = static_cast<size_t>(std::min_element(load.begin(), load.end()) - load.begin());
    result[part].push_back(k);
    load[part] += weights[k];
  }
  for (auto& part : result) std::sort(part.begin(), part.end());
  return result;
}

std::unique_ptr<llvm::Module> make_module(llvm::LLVMContext& context, llvm::TargetMachine& machine,
                                          const ir::Program& program, const Target& target, const Options& options,
                                          const std::vector<size_t>& kernels, bool with_entry) {
  auto module = new_module(options.entry, context, machine);
  module->setPICLevel(llvm::PICLevel::BigPIC);
  if (with_entry) emit_entry(*module, program, target, options);
  for (size_t k : kernels) {
    llvm::Function* kernel = KernelEmitter(*module, program.kernels[k], target).emit(kernel_symbol(options.entry, k));
    if (kernels.size() < program.kernels.size() || !with_entry) continue;
    kernel->setVisibility(llvm::GlobalValue::DefaultVisibility);  // all in one object: no name that could clash
    kernel->setLinkage(llvm::GlobalValue::InternalLinkage);
  }
  if (!options.entry_apart)
    for (size_t k : kernels)
      for (const SharedFunction& f : shared_functions(program.kernels[k], target)) {
        llvm::Function* function = module->getFunction(f.symbol);
        if (function && !function->isDeclaration()) continue;
        f.define(*module);
        function = module->getFunction(f.symbol);
        function->setVisibility(llvm::GlobalValue::DefaultVisibility);
        function->setLinkage(llvm::GlobalValue::InternalLinkage);
      }
  finish_module(*module, target.cpu());
  return module;
}

std::set<std::string> custom_calls(const ir::Program& program) {
  std::set<std::string> names;
  for (const ir::Step* s : ir::failing_steps(program))
    if (s->host == ir::Host::function) names.insert(s->custom);
  return names;
}

// What an object may not ask for because the object itself defines it.
void check_custom_names(const ir::Program& program, const Options& options) {
  for (const std::string& name : custom_calls(program)) {
    const std::string& entry = options.entry;
    const bool own = name == entry || name.rfind(entry + "_arena_bytes", 0) == 0 ||
                     name.rfind(entry + "_kernel_", 0) == 0 || name.rfind(entry + "_constant", 0) == 0 ||
                     name.rfind(entry + "_copies", 0) == 0 || name.rfind(entry + "_format_", 0) == 0 ||
                     name == entry + "_copy" || name == entry + "_beside" || name.rfind(entry + "_rows_", 0) == 0;
    if (const std::string fault = own ? "is a name of the compiled program itself" : custom_name_fault(name);
        !fault.empty())
      throw Error("custom_call: the name '" + name.substr(0, 100) + "' " + fault +
                  "; name a C function of your own, and bind it with tn::register_custom_call");
  }
}

void check_object_of(const std::string& bytes, const ir::Program& program, const Options& options) {
  const std::set<std::string> custom = custom_calls(program);
  check_object(bytes, options.entry, [&](const std::string& name) {
    const bool own = (options.parts > 1 || options.entry_apart) && name.rfind(options.entry + "_kernel_", 0) == 0;
    return own || (options.entry_apart && name.rfind(shared_prefix, 0) == 0) || custom.count(name) > 0;
  });
}

std::string compile_part(const ir::Program& program, const Target& target, const Options& options,
                         const std::vector<size_t>& kernels, bool with_entry) {
  const bool quick = kernels.empty();  // an entry on its own, which asks for no optimisation
  return with_llvm(target.cpu(), quick ? llvm::CodeGenOptLevel::None : llvm::CodeGenOptLevel::Default, [&](Work& work) {
    work.module = make_module(work.context, work.generator.machine(), program, target, options, kernels, with_entry);
    std::string object = work.generator.emit(*work.module);
    check_object_of(object, program, options);
    return object;
  });
}

// What one thread may take to compile so many kernels: some 15 MiB were seen for a tile of a contraction.
uint64_t room_for(const ir::Program& program) {
  uint64_t instructions = 0;
  for (const ir::Kernel& kernel : program.kernels) instructions += kernel.instructions.size();
  return (uint64_t{40} << 20) + (instructions << 13);
}
constexpr size_t most_threads = 8;
constexpr uint64_t room_for_thread = uint64_t{144} << 20;  // its stack, and the C library's arena for it

// Does jobs 0 to count - 1, each once, on as many threads as there are processors for and memory, and says what failed first.
void run_jobs(const ir::Program& program, size_t count, const std::function<void(size_t)>& job) {
  std::vector<std::exception_ptr> failures(count);
  std::atomic<size_t> next{0};
  const auto run = [&] {
    for (size_t k; (k = next.fetch_add(1)) < count;) try {
        job(k);
      } catch (...) {
        failures[k] = std::current_exception();
      }
  };
  const uint64_t room = room_for(program);
  require_room(room, "compiling this program");
  size_t threads = std::min<size_t>({count, most_threads, std::max(1u, std::thread::hardware_concurrency())});
  if (count <= 2) threads = 1;  // one kernel and its entry: a thread costs as much as it saves
  while (threads > 1 && !has_room(threads * (room + room_for_thread))) --threads;
  {
    std::vector<std::jthread> others;  // joined where an exception passes, too
    try {
      while (others.size() + 1 < threads) others.emplace_back(run);
    } catch (const std::system_error&) {  // no thread to be had: those that are there do all
    }
    run();
  }
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

}  // namespace

std::vector<std::string> emitter::compile_objects(const ir::Program& program, const Target& target,
                                                  const Options& options) {
  const Undisturbed section;
  start_llvm();
  check_custom_names(program, options);
  const auto parts = deal(program, options.parts);
  const bool apart = options.entry_apart && !program.kernels.empty();
  std::vector<SharedFunction> shared;
  if (options.entry_apart)
    for (const ir::Kernel& kernel : program.kernels)
      for (SharedFunction& f : shared_functions(kernel, target))
        if (std::none_of(shared.begin(), shared.end(), [&](const auto& known) { return known.symbol == f.symbol; }))
          shared.push_back(std::move(f));
  // Linking goes from the last object to the first, which calls the others.
  std::stable_sort(shared.begin(), shared.end(), [](const auto& a, const auto& b) { return a.calls > b.calls; });
  // Jobs, the heaviest first: the parts, the shared functions that are not kept, the entry where it stands apart.
  std::vector<std::string> objects(apart + parts.size() + shared.size());
  const size_t first_part = apart, first_shared = first_part + parts.size();
  std::vector<size_t> jobs;
  for (size_t k = first_part; k < first_shared; ++k) jobs.push_back(k);
  for (size_t k = first_shared; k < objects.size(); ++k) {
    objects[k] = kept_object(shared[k - first_shared].symbol);
    if (objects[k].empty()) jobs.push_back(k);
  }
  if (apart) jobs.push_back(0);
  const auto make = [&](size_t k) {
    if (k >= first_shared) return shared_object(shared[k - first_shared], target.cpu());
    if (k < first_part) return compile_part(program, target, options, {}, true);
    return compile_part(program, target, options, parts[k - first_part], k == 0);
  };
  run_jobs(program, jobs.size(), [&](size_t job) { objects[jobs[job]] = make(jobs[job]); });
  return objects;
}

std::string emitter::data_object(const std::string& name, const std::string& data, const CpuTarget& target) {
  const Undisturbed section;
  start_llvm();
  return with_llvm(target, llvm::CodeGenOptLevel::None, [&](Work& work) {
    work.module = new_module(name, work.context, work.generator.machine());
    const auto put = [&](const std::string& symbol, llvm::Constant* value) {
      auto* global = new llvm::GlobalVariable(*work.module, value->getType(), true, llvm::GlobalValue::ExternalLinkage,
                                              value, symbol);
      global->setAlignment(llvm::Align(64));
    };
    put(name, llvm::ConstantDataArray::getString(work.context, data, false));
    put(name + "_bytes", llvm::ConstantInt::get(llvm::Type::getInt64Ty(work.context), data.size()));
    return work.generator.emit(*work.module);
  });
}

std::string emitter::llvm_text(const ir::Program& program, const Target& target, const Options& options) {
  const Undisturbed section;
  start_llvm();
  std::vector<size_t> all(program.kernels.size());
  for (size_t k = 0; k < all.size(); ++k) all[k] = k;
  return with_llvm(target.cpu(), llvm::CodeGenOptLevel::Default, [&](Work& work) {
    work.module = make_module(work.context, work.generator.machine(), program, target, options, all, true);
    std::string text;
    llvm::raw_string_ostream out(text);
    work.module->print(out, nullptr);
    return text;
  });
}

}  // namespace tenon::codegen
