// LLVM's code generator as a list of passes, kept when it is idle: listing a hundred passes and what each needs costs 0.3 to
// 0.5 ms. Its start and its end, too. Refuses targets for which LLVM cannot write objects.
#include "tenon/codegen/llvm/pipeline.h"

#include <llvm/ADT/SmallVector.h>
#include <llvm/Analysis/TargetLibraryInfo.h>
#include <llvm/CodeGen/MachineModuleInfo.h>
#include <llvm/CodeGen/Passes.h>
#include <llvm/CodeGen/TargetPassConfig.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#if LLVM_VERSION_MAJOR >= 20
#include <llvm/CodeGen/CodeGenTargetMachineImpl.h>
#endif

#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "tenon/codegen/llvm/emitter.h"
#include "tenon/codegen/llvm/interrupt.h"
#include "tenon/codegen/llvm/target.h"
#include "tenon/codegen/room.h"
#include "tenon/ir/base/error.h"
#include "tenon/ir/base/undisturbed.h"

namespace tenon::codegen {

namespace {

#if LLVM_VERSION_MAJOR >= 20
using CodeMachine = llvm::CodeGenTargetMachineImpl;
#else
using CodeMachine = llvm::LLVMTargetMachine;
#endif

// Passes that leave the code of kernels and entries as it is: they serve garbage collectors, tracing tools, exceptions, debug
// information, sub-register liveness and branches, none of which occur, or repeat what others did. Passes that cost more
// (hoisting of constants, post-allocation scheduling, sinking, layout) stay: kernels run slower without them.
std::vector<const void*> idle_passes() {
  return {
      &llvm::MachineCombinerID,
      &llvm::PostRAMachineSinkingID,
      &llvm::MachineLICMID,
      &llvm::RenameIndependentSubregsID,
      &llvm::DetectDeadLanesID,
      &llvm::DeadMachineInstructionElimID,
      &llvm::ShadowStackGCLoweringID,
      &llvm::GCMachineCodeAnalysisID,
      &llvm::StackMapLivenessID,
      &llvm::LiveDebugValuesID,
      &llvm::RemoveRedundantDebugValuesID,
      &llvm::FixupStatepointCallerSavedID,
      &llvm::FuncletLayoutID,
      &llvm::XRayInstrumentationID,
      &llvm::FEntryInserterID,
      &llvm::PatchableFunctionID,
#if LLVM_VERSION_MAJOR >= 22
      &llvm::EarlyIfConverterLegacyID,
      &llvm::EarlyTailDuplicateLegacyID,
      &llvm::TailDuplicateLegacyID,
      &llvm::MachineSanitizerBinaryMetadataID,
      &llvm::RemoveLoadsIntoFakeUsesID,
#endif
  };
}

}  // namespace

struct Pipeline {
  const CpuTarget target;
  const llvm::CodeGenOptLevel level;
  const std::unique_ptr<llvm::TargetMachine> machine;
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream out{bytes};
  llvm::legacy::PassManager passes;

  Pipeline(const CpuTarget& t, llvm::CodeGenOptLevel l) : target(t), level(l), machine(make_target_machine(t, l)) {}

  void list_passes() {
    auto& m = static_cast<CodeMachine&>(*machine);
    llvm::TargetPassConfig* config = m.createPassConfig(passes);
    config->setDisableVerify(true);
    for (const void* pass : idle_passes()) config->disablePass(pass);
    auto* info = new llvm::MachineModuleInfoWrapperPass(&m);  // the manager owns its passes
    passes.add(config);
    passes.add(info);
    if (config->addISelPasses())
      throw InternalError("LLVM cannot select instructions for " + m.getTargetTriple().str());
    config->addMachinePasses();
    config->setInitialized();
    if (m.addAsmPrinter(passes, out, nullptr, llvm::CodeGenFileType::ObjectFile, info->getMMI().getContext()))
      throw InternalError("LLVM cannot write objects for " + m.getTargetTriple().str());
    passes.add(llvm::createFreeMachineFunctionPass());
  }

  std::string emit(llvm::Module& module) {
    bytes.clear();
    passes.run(module);
    return {bytes.data(), bytes.size()};
  }
};

namespace {

constexpr size_t most_idle = 8;

// Does `step` with what `held` holds. Where LLVM failed in it, that is left behind.
template <class T, class Step>
auto unless_interrupted(std::unique_ptr<T>& held, Step step) {
  try {
    return step();
  } catch (const std::bad_alloc&) {
    (void)held.release();
    throw;
  } catch (...) {
    if (Interruptible::happened()) (void)held.release();
    throw;
  }
}

struct Idle {
  Idle() { pipelines.reserve(most_idle + 1); }  // giving one back needs no memory
  std::mutex mutex;  // taken inside sections only
  std::vector<std::unique_ptr<Pipeline>> pipelines;
};
constinit Forever<Idle> idle;

// Has what asks for them: a load to unfold, vectors, a constant to broadcast.
//   void start(float16* p, int64* q, int64 x) { *p = *p * *p + 3; *q = (x + *q) * x; }
void emit_start(llvm::Module& module) {
  llvm::LLVMContext& context = module.getContext();
  auto* pointer = llvm::PointerType::get(context, 0);
  auto* type = llvm::FunctionType::get(llvm::Type::getVoidTy(context),
                                       {pointer, pointer, llvm::Type::getInt64Ty(context)}, false);
  auto* function = llvm::Function::Create(type, llvm::Function::ExternalLinkage, "start", module);
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(context, "", function));
  auto* vector = llvm::FixedVectorType::get(b.getFloatTy(), 16);
  llvm::Value* x = b.CreateAlignedLoad(vector, function->getArg(0), llvm::Align(4));
  llvm::Value* y = b.CreateFAdd(b.CreateFMul(x, x), llvm::ConstantFP::get(vector, 3));
  b.CreateAlignedStore(y, function->getArg(0), llvm::Align(4));
  llvm::Value* n = function->getArg(2);
  llvm::Value* sum = b.CreateAdd(n, b.CreateAlignedLoad(b.getInt64Ty(), function->getArg(1), llvm::Align(8)));
  b.CreateAlignedStore(b.CreateMul(sum, n), function->getArg(1), llvm::Align(8));
  b.CreateRetVoid();
}

// LLVM makes some of its statics when it first generates code. Objects are destroyed in the reverse order of their making, so
// they are made here, by compiling a little; what is registered next (codegen/compiler.cc) runs before they go.
// tests/life_test.cc counts what is made later.
struct Start {
  explicit Start(const CpuTarget& target) {
    require_room(uint64_t{40} << 20, "starting LLVM");
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    with_llvm(target, llvm::CodeGenOptLevel::Default, [&](Work& work) {
      work.module = new_module("start", work.context, work.generator.machine());
      emit_start(*work.module);
      llvm::LibFunc found;
      llvm::TargetLibraryInfoImpl(llvm::Triple(target.triple)).getLibFunc("memcpy", found);
      return work.generator.emit(*work.module);
    });
  }
};
constinit Forever<const Start> start;

}  // namespace

std::unique_ptr<llvm::Module> new_module(const std::string& name, llvm::LLVMContext& context,
                                         llvm::TargetMachine& machine) {
  auto module = std::make_unique<llvm::Module>(name, context);
#if LLVM_VERSION_MAJOR >= 21
  module->setTargetTriple(machine.getTargetTriple());
#else
  module->setTargetTriple(machine.getTargetTriple().str());
#endif
  module->setDataLayout(machine.createDataLayout());
  return module;
}

void finish_module(llvm::Module& module, const CpuTarget& target) {
  if (!target.tune.empty())
    for (llvm::Function& function : module) function.addFnAttr("tune-cpu", target.tune);
#ifndef NDEBUG
  std::string problem;
  llvm::raw_string_ostream out(problem);
  if (llvm::verifyModule(module, &out)) throw InternalError("LLVM refuses the module: " + problem);
#endif
}

void start_llvm() {
  start.get([] { return new Start(host_target(emitter::host_processor()).cpu()); });
}

Generator::Generator(const CpuTarget& target, llvm::CodeGenOptLevel level) {
  {
    Idle& all = idle.get();
    const std::lock_guard lock(all.mutex);
    for (size_t i = all.pipelines.size(); i-- > 0 && !pipeline_;) {
      if (all.pipelines[i]->level != level || !(all.pipelines[i]->target == target)) continue;
      pipeline_ = std::move(all.pipelines[i]);
      all.pipelines.erase(all.pipelines.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  if (pipeline_) return;
  pipeline_ = std::make_unique<Pipeline>(target, level);
  unless_interrupted(pipeline_, [&] { pipeline_->list_passes(); });
}

// Beyond the most that are kept, the one that was idle longest goes.
Generator::~Generator() {
  if (!pipeline_) return;
  Idle& all = idle.get();
  const std::lock_guard lock(all.mutex);
  all.pipelines.push_back(std::move(pipeline_));
  if (all.pipelines.size() > most_idle) all.pipelines.erase(all.pipelines.begin());
}

llvm::TargetMachine& Generator::machine() const { return *pipeline_->machine; }

std::string Generator::emit(llvm::Module& module) {
  return unless_interrupted(pipeline_, [&] { return pipeline_->emit(module); });
}

std::string with_llvm(const CpuTarget& target, llvm::CodeGenOptLevel level,
                      const std::function<std::string(Work&)>& work) {
  const Interruptible llvm;
  auto on = std::make_unique<Work>(target, level);
  return unless_interrupted(on, [&] { return work(*on); });
}

}  // namespace tenon::codegen
