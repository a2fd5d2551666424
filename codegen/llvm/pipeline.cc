// LLVM's code generator as a list of passes, set up once per thread and machine description: listing a hundred passes and
// what each needs costs 0.3 to 0.5 ms. Refuses targets for which LLVM cannot write objects.
#include "tenon/codegen/llvm/pipeline.h"

#include <llvm/ADT/SmallVector.h>
#include <llvm/CodeGen/MachineModuleInfo.h>
#include <llvm/CodeGen/Passes.h>
#include <llvm/CodeGen/TargetPassConfig.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#if LLVM_VERSION_MAJOR >= 20
#include <llvm/CodeGen/CodeGenTargetMachineImpl.h>
#endif

#include <memory>
#include <vector>

#include "tenon/ir/base/error.h"

namespace tenon::codegen {

namespace {

#if LLVM_VERSION_MAJOR >= 20
using Machine = llvm::CodeGenTargetMachineImpl;
#else
using Machine = llvm::LLVMTargetMachine;
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

struct Pipeline {
  llvm::TargetMachine* machine = nullptr;
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream out{bytes};
  llvm::legacy::PassManager passes;

  explicit Pipeline(llvm::TargetMachine& m) : machine(&m) {
    auto& target = static_cast<Machine&>(m);
    llvm::TargetPassConfig* config = target.createPassConfig(passes);
    config->setDisableVerify(true);
    for (const void* pass : idle_passes()) config->disablePass(pass);
    auto* info = new llvm::MachineModuleInfoWrapperPass(&target);  // the manager owns its passes
    passes.add(config);
    passes.add(info);
    if (config->addISelPasses())
      throw InternalError("LLVM cannot select instructions for " + m.getTargetTriple().str());
    config->addMachinePasses();
    config->setInitialized();
    if (target.addAsmPrinter(passes, out, nullptr, llvm::CodeGenFileType::ObjectFile, info->getMMI().getContext()))
      throw InternalError("LLVM cannot write objects for " + m.getTargetTriple().str());
    passes.add(llvm::createFreeMachineFunctionPass());
  }
};

}  // namespace

namespace {

std::vector<std::unique_ptr<Pipeline>>& own_pipelines() {
  thread_local std::vector<std::unique_ptr<Pipeline>> pipelines;
  return pipelines;
}

}  // namespace

void forget_pipelines() {
  for (auto& pipeline : own_pipelines()) (void)pipeline.release();
  own_pipelines().clear();
}

std::string emit_object(llvm::Module& module, llvm::TargetMachine& machine) {
  auto& pipelines = own_pipelines();
  Pipeline* pipeline = nullptr;
  for (const auto& p : pipelines)
    if (p->machine == &machine) pipeline = p.get();
  if (!pipeline) pipeline = pipelines.emplace_back(std::make_unique<Pipeline>(machine)).get();
  pipeline->bytes.clear();
  pipeline->passes.run(module);
  return {pipeline->bytes.data(), pipeline->bytes.size()};
}

}  // namespace tenon::codegen
