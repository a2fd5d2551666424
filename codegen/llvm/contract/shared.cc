// Names and declarations of the functions that packed contractions share, and the list of those that one calls.
#include "tenon/codegen/llvm/contract/shared.h"

#include <llvm/IR/Module.h>
#include <llvm/Support/xxhash.h>

#include <cstdio>

#include "tenon/codegen/codegen.h"
#include "tenon/codegen/llvm/kernel.h"

namespace tenon::codegen {

namespace {

llvm::FunctionType* function_type(llvm::LLVMContext& context, std::initializer_list<char> parameters,
                                  llvm::Type* result = nullptr) {
  std::vector<llvm::Type*> types;
  for (char c : parameters)
    types.push_back(c == 'p'   ? static_cast<llvm::Type*>(llvm::PointerType::get(context, 0))
                    : c == 'i' ? llvm::Type::getInt64Ty(context)
                               : llvm::Type::getInt1Ty(context));
  return llvm::FunctionType::get(result != nullptr ? result : llvm::Type::getVoidTy(context), types, false);
}

llvm::Function* declare(llvm::Module& module, const std::string& symbol, llvm::FunctionType* type) {
  if (llvm::Function* known = module.getFunction(symbol)) return known;
  auto* function = llvm::Function::Create(type, llvm::Function::ExternalLinkage, symbol, module);
  function->setVisibility(llvm::GlobalValue::HiddenVisibility);
  function->setDSOLocal(true);
  function->addFnAttr(llvm::Attribute::NoUnwind);
  return function;
}

std::string joined(std::string symbol, std::initializer_list<int64_t> numbers) {
  for (int64_t number : numbers) symbol += number == unknown_extent ? "_n" : "_" + std::to_string(number);
  return symbol;
}

// Of the machine and of this compiler, whose functions another's must not stand for where objects are linked.
std::string digest(const CpuTarget& t) {
  std::string text = compiler_version();
  for (const std::string* part : {&t.triple, &t.cpu, &t.features, &t.tune}) text += '\n' + *part;
  text += '\n' + std::to_string(t.vector_bytes);
  char digits[20];
  std::snprintf(digits, sizeof digits, "_%016llx", static_cast<unsigned long long>(llvm::xxh3_64bits(text)));
  return digits;
}

std::string tile_symbol(const TileShape& t, const CpuTarget& target) {
  return joined(std::string(shared_prefix) + "tile_" + std::string(name(t.dtype)),
                {t.rows, t.vectors, t.width, t.columns, t.memory_rows, t.row_stride, t.k_stride, t.resumes}) +
         digest(target);
}

std::string driver_symbol(const ContractPlan& p, DType dtype, const CpuTarget& target) {
  return joined(std::string(shared_prefix) + std::string(name(dtype)),
                {p.batch,       p.m,         p.n,          p.k,     p.most_k,       p.rows,
                 p.vectors,     p.width,     p.block_rows, p.depth, p.row_stride,   p.k_stride,
                 p.tile_stride, p.edge_rows, p.resumes,    p.tiles, p.panel_offset, p.tile_offset,
                 p.slot_bytes,  p.workers,   p.claim,      p.group, p.panel_bytes,  p.place_stride}) +
         digest(target);
}

}  // namespace

llvm::FunctionType* frame_function_type(llvm::LLVMContext& context, FrameFunction which) {
  if (which == FrameFunction::place)
    return function_type(context, {'p', 'i', 'i', 'i'}, llvm::PointerType::get(context, 0));
  if (which == FrameFunction::fetch) return function_type(context, {'p', 'i', 'i', 'i', 'i'});
  return function_type(context, {'p', 'i', 'i', 'i', 'i', 'i', 'p'});
}

llvm::Function* tile_function(llvm::Module& module, const TileShape& shape, const CpuTarget& target) {
  return declare(module, tile_symbol(shape, target),
                 function_type(module.getContext(), {'p', 'p', 'i', 'p', 'b', 'i'}));
}

llvm::Function* driver_function(llvm::Module& module, const ContractPlan& plan, DType dtype, const CpuTarget& target) {
  return declare(module, driver_symbol(plan, dtype, target),
                 function_type(module.getContext(), {'p', 'p', 'i', 'i', 'i', 'i', 'i'}));
}

std::vector<SharedFunction> shared_functions(const ir::Kernel& kernel, const Target& target) {
  const KernelRange range = kernel_range(kernel);
  const ir::Instruction* contract = range.shared ? &kernel.instructions[range.instruction] : nullptr;
  if (!contract || contract->kind != ir::KernelOp::contract) return {};
  const ContractPlan plan = plan_contract(kernel, *contract, target, true);
  if (!plan.packed) return {};
  const DType dtype = contract->dtype;
  std::vector<SharedFunction> all{{driver_symbol(plan, dtype, target.cpu()),
                                   [=](llvm::Module& m) { define_driver(m, plan, dtype, target.cpu()); }, true}};
  for (int64_t rows : {plan.rows, plan.edge_rows})
    for (int64_t vectors : {plan.vectors, int64_t{1}}) {
      const TileShape shape = tile_shape(plan, dtype, rows, vectors);
      const bool called =
          (vectors == plan.vectors && has_whole_panels(plan)) || (vectors == 1 && has_narrow_panels(plan));
      if (rows > 0 && called)
        all.push_back(
            {tile_symbol(shape, target.cpu()), [=](llvm::Module& m) { define_tile(m, shape, target.cpu()); }, false});
    }
  return all;
}

}  // namespace tenon::codegen
