// The functions of packed contractions that know nothing of their kernel: the driver, which cuts the work into blocks, panels and
// tiles, and the micro-kernels. They depend on the plan, the dtype and the machine alone, so that programs share them.
//
//   void driver(ptr frame, ptr scratch, i64 worker, i64 batches, i64 m, i64 n, i64 k)
//   void tile(ptr left, ptr right, i64 depth, ptr sums, i1 resume, i64 stride)
//
// stride: elements from one row of the left operand to the next, where a row lies along k.
//
// A frame is the kernel's: `frame_functions` pointers to what evaluates its blocks, then what those need.
//
//   0  void left(ptr frame, i64 batch, i64 row, i64 rows, i64 from, i64 depth, ptr block)
//   1  void right(ptr frame, i64 batch, i64 from, i64 depth, i64 column, i64 columns, ptr panel)
//   2  void fetch(ptr frame, i64 batch, i64 row, i64 rows, i64 column), or null: ahead of the epilogue
//   3  void epilogue(ptr frame, i64 batch, i64 row, i64 rows, i64 column, i64 columns, ptr tile)
//   4  ptr place(ptr frame, i64 batch, i64 row, i64 from), where the plan reads the left operand in place: where it stands
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tenon/codegen/llvm/contract/plan.h"
#include "tenon/codegen/llvm/scalar.h"

namespace tenon::codegen {

inline constexpr unsigned frame_functions = 5;
enum class FrameFunction : uint8_t { left, right, fetch, epilogue, place };
llvm::FunctionType* frame_function_type(llvm::LLVMContext& context, FrameFunction which);

struct SharedFunction {
  std::string symbol;  // says all that shapes it: equal symbols are equal functions
  std::function<void(llvm::Module&)> define;
  bool calls = false;  // others, by their symbols, which call none
};
inline constexpr const char* shared_prefix = "tenon_contract_";  // of their symbols
// What the kernel's contraction calls, and what that calls; none where it is not packed.
std::vector<SharedFunction> shared_functions(const ir::Kernel& kernel, const Target& target);

// Declared in the module where they are not yet.
llvm::Function* driver_function(llvm::Module& module, const ContractPlan& plan, DType dtype, const CpuTarget& target);
void define_driver(llvm::Module& module, const ContractPlan& plan, DType dtype, const CpuTarget& target);

struct TileShape {
  DType dtype = DType::f32;
  int64_t rows = 1, vectors = 1, width = 1;  // of the accumulators
  int64_t columns = 1;  // of the panel and of the tile in memory, in which it may be one vector
  int64_t memory_rows = 0;  // of the tile in memory, where it resumes: the next one follows
  int64_t row_stride = 1, k_stride = 1;  // row_stride 0: an argument
  bool resumes = false;
};
TileShape tile_shape(const ContractPlan& plan, DType dtype, int64_t rows, int64_t vectors);
// How wide panels are: all of their columns, or what their last one has, vector by vector.
inline bool has_whole_panels(const ContractPlan& p) { return p.n < 0 || p.n > p.columns() - p.width; }
inline bool has_narrow_panels(const ContractPlan& p) {
  const int64_t edge = p.n < 0 ? 1 : p.n % p.columns();
  return p.n == 0 || (edge > 0 && edge <= p.columns() - p.width);
}
llvm::Function* tile_function(llvm::Module& module, const TileShape& shape, const CpuTarget& target);
void define_tile(llvm::Module& module, const TileShape& shape, const CpuTarget& target);

}  // namespace tenon::codegen
