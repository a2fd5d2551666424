// The driver of packed contractions. A worker claims runs of panels of C; for each block of k it has a block of the left operand
// and, panel by panel, of the right one evaluated into its scratch memory, runs the micro-kernel over the tiles, joins
// segments, and hands finished tiles to the epilogue while they are in L1. Prologues run once per packed element.
// A left operand whose rows stand along k is read where it is, but for a last tile that is not whole. Refuses to share packed
// memory between workers: a panel costs less to pack again than to wait for.
//
// Three functions, since a code generator's time grows faster than what it is given: the outer loops, which run once a panel and
// may be slow, the loop over the tiles of a panel, and the tree of segments.
#include <llvm/IR/Module.h>

#include "tenon/codegen/llvm/contract/code.h"
#include "tenon/codegen/llvm/contract/shared.h"
#include "tenon/codegen/llvm/target.h"

namespace tenon::codegen {

using llvm::Value;

namespace {

constexpr int64_t claims_per_worker = 4;

struct Grid {  // the problem cut into blocks, at run time
  Value *depth, *k_blocks;  // of k
  Value *segments, *levels;  // of the tree
  Value *row_blocks, *block_rows, *row_tiles;
  Value *panels, *units;  // a unit: one panel of one row block of one batch element
  Value *claim, *run;  // units claimed at once; panels that one pass over k serves at most
  Value* alone;  // k is one block: a tile is finished at once
};

struct Piece {  // one panel of one row block over one block of k
  Value *batch, *row, *rows;
  Value *from, *to, *depth;  // of k
  Value* ends;  // the last block of k
  Value *column, *columns;
  Value* place = nullptr;  // of the left operand at (row, from), where it is read in place
};

class Driver : ContractCode {
 public:
  Driver(llvm::Function* function, Builder& b, const ContractPlan& plan, DType dtype, const CpuTarget& target)
      : ContractCode(b, plan, dtype), module_(*function->getParent()), function_(function), target_(target) {
    set_attributes(*function, target);
    b.SetInsertPoint(llvm::BasicBlock::Create(b.getContext(), "entry", function));
  }
  void emit();

 private:
  Grid grid();
  void run_panels(Value* block, Value* panel, Value* panels);
  void pack_left(const Piece& piece);
  void set_columns(Piece& piece, Value* panel);
  void advance_tiles(Piece piece, Value* panel, Value* panels, Value* first);
  void advance_tile(const Piece& piece, Value* number, Value* panel, Value* tile);
  Value* panel_at(Value* number) { return at(panel_, b_.CreateMul(number, i64(plan_.panel_bytes))); }
  void run_tile(Value* left, Value* stride, Value* right, Value* depth, Value* sums, Value* resume, Value* rows,
                Value* columns);
  Value* evaluate(FrameFunction which, llvm::ArrayRef<Value*> arguments);
  Value* frame_function(FrameFunction which);
  // A function of its own for what `body` emits, called here with the arguments; those that are constants stay what they are.
  void apart(const char* name, ValueRefs arguments, llvm::function_ref<void(Driver&, ValueRefs)> body);
  Value* known_or(int64_t extent, unsigned argument) {
    return extent >= 0 ? i64(extent) : static_cast<Value*>(function_->getArg(argument));
  }

  llvm::Module& module_;
  llvm::Function* function_;
  const CpuTarget& target_;
  Value *batches_ = nullptr, *m_ = nullptr, *n_ = nullptr, *k_ = nullptr;
  Grid grid_{};
  Value *frame_ = nullptr, *left_ = nullptr, *panel_ = nullptr, *tiles_ = nullptr;  // the worker's memory
  Value* packed_ = nullptr;  // which left block lies there
};

// Row blocks, panels and units (a panel of a row block of a batch element) at run time.
Grid Driver::grid() {
  Grid g;
  g.depth = i64(plan_.depth);
  Value* one = i64(1);
  if (plan_.k < 0) {  // blocks of k of even size; whole segments once there are several
    Value* blocks = larger(divide_up(k_, plan_.depth), one);
    Value* even = b_.CreateAnd(b_.CreateAdd(divide_up(k_, blocks), i64(15)), i64(-16));
    g.depth = b_.CreateSelect(b_.CreateICmpSGT(k_, i64(contract_segment)), i64(plan_.depth), larger(even, i64(16)));
  }
  g.k_blocks = larger(divide_up(k_, g.depth), one);
  g.segments = larger(divide_up(k_, contract_segment), one);
  Value* most = i64(plan_.block_rows);
  g.levels = one;
  if (join_levels()) {
    // As many levels as the tree needs, and the tile at hand.
    Value* several = b_.CreateICmpSGT(g.segments, one);
    Value* zeros =
        codegen::call(b_, llvm::Intrinsic::ctlz, {b_.getInt64Ty()}, {b_.CreateSub(g.segments, one), b_.getFalse()});
    g.levels = b_.CreateSelect(several, b_.CreateSub(i64(65), zeros), one);
    Value* rows = b_.CreateMul(b_.CreateSDiv(i64(plan_.tiles), g.levels), i64(plan_.rows));
    most = b_.CreateSelect(several, smaller(most, rows), most);
  }
  g.panels = divide_up(n_, plan_.columns());
  // Few panels and many rows: each worker gets rows of its own, if they are worth it.
  Value* line =
      b_.CreateMul(larger(k_, one), smaller(larger(n_, one), i64(plan_.columns())));  // work of a row of a panel
  Value* across = larger(b_.CreateMul(batches_, g.panels), one);
  Value* worth = b_.CreateSDiv(b_.CreateMul(m_, line), i64(plan_.claim));
  Value* wanted = smaller(divide_up(i64(plan_.workers), across), worth);
  g.row_blocks = larger(larger(divide_up(m_, most), wanted), one);
  g.block_rows = b_.CreateMul(divide_up(larger(divide_up(m_, g.row_blocks), one), plan_.rows), i64(plan_.rows));
  g.row_blocks = divide_up(m_, g.block_rows);
  g.units = b_.CreateMul(batches_, b_.CreateMul(g.row_blocks, g.panels));
  Value* least = divide_up(i64(plan_.claim), b_.CreateMul(g.block_rows, line));
  Value* even = divide_up(g.units, i64(claims_per_worker * plan_.workers));
  Value* together = smaller(i64(plan_.group), b_.CreateSDiv(g.units, i64(plan_.workers)));
  g.claim = larger(larger(least, even), larger(together, one));
  // A slot keeps one tile at hand when k is one block, else the tiles of the whole run.
  g.alone = b_.CreateICmpEQ(g.k_blocks, one);
  g.row_tiles = b_.CreateSDiv(g.block_rows, i64(plan_.rows));
  Value* room = larger(b_.CreateSDiv(i64(plan_.tiles), b_.CreateMul(larger(g.row_tiles, one), g.levels)), one);
  g.run = b_.CreateSelect(g.alone, larger(g.panels, one), room);
  return g;
}

void Driver::apart(const char* name, ValueRefs arguments, llvm::function_ref<void(Driver&, ValueRefs)> body) {
  Values inner(arguments.begin(), arguments.end()), given{frame_};
  std::vector<llvm::Type*> types{b_.getPtrTy()};
  for (Value* v : arguments)
    if (!llvm::isa<llvm::Constant>(v)) {
      given.push_back(v);
      types.push_back(v->getType());
    }
  auto* function = llvm::Function::Create(llvm::FunctionType::get(b_.getVoidTy(), types, false),
                                          llvm::Function::InternalLinkage, function_->getName() + "_" + name, module_);
  function->addFnAttr(llvm::Attribute::NoInline);
  Builder b(b_.getContext());
  Driver part(function, b, plan_, dtype_, target_);
  part.frame_ = function->getArg(0);
  unsigned next = 1;
  for (Value*& v : inner)
    if (!llvm::isa<llvm::Constant>(v)) v = function->getArg(next++);
  body(part, inner);
  b.CreateRetVoid();
  b_.CreateCall(function, given);
}

Value* Driver::frame_function(FrameFunction which) {
  Value* place = b_.CreateConstInBoundsGEP1_64(b_.getPtrTy(), frame_, static_cast<uint64_t>(which));
  return b_.CreateLoad(b_.getPtrTy(), place);
}

Value* Driver::evaluate(FrameFunction which, llvm::ArrayRef<Value*> arguments) {
  Values given{frame_};
  given.insert(given.end(), arguments.begin(), arguments.end());
  return b_.CreateCall(frame_function_type(b_.getContext(), which), frame_function(which), given);
}

void Driver::emit() {
  function_->addFnAttr(llvm::Attribute::NoInline);
  function_->addFnAttr(llvm::Attribute::OptimizeNone);
  frame_ = function_->getArg(0);
  Value *scratch = function_->getArg(1), *worker = function_->getArg(2);
  batches_ = known_or(plan_.batch, 3);
  m_ = known_or(plan_.m, 4);
  n_ = known_or(plan_.n, 5);
  k_ = known_or(plan_.k, 6);
  packed_ = b_.CreateAlloca(b_.getInt64Ty());
  grid_ = grid();
  left_ = at(scratch, b_.CreateAdd(i64(contract_header_bytes), b_.CreateMul(worker, i64(plan_.slot_bytes))));
  panel_ = at(left_, i64(plan_.panel_offset));
  tiles_ = at(left_, i64(plan_.tile_offset));
  b_.CreateStore(i64(-1), packed_);

  Value* first = nullptr;
  const auto claim = [&](ValueRefs) {
    first = b_.CreateAtomicRMW(llvm::AtomicRMWInst::Add, scratch, grid_.claim, llvm::MaybeAlign(8),
                               llvm::AtomicOrdering::Monotonic);
    return b_.CreateICmpSLT(first, grid_.units);
  };
  while_loop(b_, "claim", {}, claim, [&](ValueRefs) {
    Value* last = smaller(b_.CreateAdd(first, grid_.claim), grid_.units);
    do_loop(b_, "run", first, [&](ValueRefs unit) {
      Value* panel = b_.CreateSRem(unit[0], grid_.panels);
      Value* block = b_.CreateSDiv(unit[0], grid_.panels);
      Value* panels = smaller(smaller(b_.CreateSub(last, unit[0]), b_.CreateSub(grid_.panels, panel)), grid_.run);
      run_panels(block, panel, panels);
      Value* next = b_.CreateAdd(unit[0], panels);
      return Round{{next}, b_.CreateICmpSLT(next, last)};
    });
    return Values{};
  });
  b_.CreateRetVoid();
}

void Driver::run_panels(Value* block, Value* panel, Value* panels) {
  Piece x{};
  x.batch = b_.CreateSDiv(block, grid_.row_blocks);
  x.row = b_.CreateMul(b_.CreateSRem(block, grid_.row_blocks), grid_.block_rows);
  x.rows = smaller(b_.CreateSub(m_, x.row), grid_.block_rows);
  repeat(grid_.k_blocks, [&](Value* k_block) {
    x.from = b_.CreateMul(k_block, grid_.depth);
    x.to = smaller(b_.CreateAdd(x.from, grid_.depth), k_);
    x.depth = b_.CreateSub(x.to, x.from);
    x.ends = plan_.resumes ? b_.CreateICmpEQ(x.to, k_) : b_.getTrue();
    // A claim often goes on in the row block that the last one left.
    Value* key = b_.CreateAdd(b_.CreateMul(block, grid_.k_blocks), k_block);
    when(b_, "pack", b_.CreateICmpNE(b_.CreateLoad(b_.getInt64Ty(), packed_), key), [&] {
      pack_left(x);
      b_.CreateStore(key, packed_);
    });
    x.place = left_;
    if (plan_.place_stride > 0) x.place = evaluate(FrameFunction::place, {x.batch, x.row, x.from});
    // Several panels lie in L2 at once, so that a tile's rows of the left block, which come from farther, serve all of them.
    counted_loop(b_, "group", {i64(0), panels, plan_.group}, [&](Value* first) {
      Value* many = smaller(b_.CreateSub(panels, first), i64(plan_.group));
      Value* from = b_.CreateAdd(panel, first);
      repeat(many, [&](Value* p) {
        set_columns(x, b_.CreateAdd(from, p));
        evaluate(FrameFunction::right, {x.batch, x.from, x.depth, x.column, x.columns, panel_at(p)});
      });
      apart("tiles",
            {x.batch, x.row, x.rows, x.from, x.to, x.depth, x.ends, left_, panel_, tiles_, grid_.segments, grid_.levels,
             grid_.alone, grid_.row_tiles, n_, from, many, first, x.place},
            [](Driver& d, ValueRefs a) {
              d.left_ = a[7];
              d.panel_ = a[8];
              d.tiles_ = a[9];
              d.grid_.segments = a[10];
              d.grid_.levels = a[11];
              d.grid_.alone = a[12];
              d.grid_.row_tiles = a[13];
              d.n_ = a[14];
              d.advance_tiles({a[0], a[1], a[2], a[3], a[4], a[5], a[6], nullptr, nullptr, a[18]}, a[15], a[16], a[17]);
            });
    });
  });
}

// All rows of the block; in place, those of a last tile that is not whole.
void Driver::pack_left(const Piece& x) {
  if (plan_.place_stride == 0)
    return static_cast<void>(evaluate(FrameFunction::left, {x.batch, x.row, x.rows, x.from, x.depth, left_}));
  Value* rest = b_.CreateSRem(x.rows, i64(plan_.rows));
  when(b_, "rest", b_.CreateICmpSGT(rest, i64(0)), [&] {
    Value* row = b_.CreateAdd(x.row, b_.CreateSub(x.rows, rest));
    evaluate(FrameFunction::left, {x.batch, row, rest, x.from, x.depth, left_});
  });
}

void Driver::set_columns(Piece& x, Value* panel) {
  x.column = b_.CreateMul(panel, i64(plan_.columns()));
  x.columns = i64(plan_.columns());
  if (plan_.n < 0 || plan_.n % plan_.columns()) x.columns = smaller(b_.CreateSub(n_, x.column), x.columns);
}

// The tiles of the panels from `panel` on, whose sums wait, if they do, from the place of panel `first` of the run on.
void Driver::advance_tiles(Piece x, Value* panel, Value* panels, Value* first) {
  repeat(divide_up(x.rows, plan_.rows), [&](Value* t) {
    repeat(panels, [&](Value* p) {
      set_columns(x, b_.CreateAdd(panel, p));
      Value* place = b_.CreateAdd(b_.CreateMul(b_.CreateAdd(first, p), grid_.row_tiles), t);
      Value* number = b_.CreateSelect(grid_.alone, i64(0), place);
      advance_tile(x, t, panel_at(p), element(tiles_, b_.CreateMul(number, i64(plan_.rows * plan_.columns()))));
    });
  });
}

// Takes tile `t` of the row block through one block of k, and hands it on when that was the last one.
void Driver::advance_tile(const Piece& x, Value* t, Value* panel, Value* tile) {
  const int64_t elements = plan_.rows * plan_.columns();
  Value* offset = b_.CreateMul(t, i64(plan_.rows));
  Value* rows = smaller(b_.CreateSub(x.rows, offset), i64(plan_.rows));
  Value* stride = i64(plan_.row_stride);
  Value* left = nullptr;
  if (plan_.place_stride > 0) {
    Value* whole = b_.CreateICmpEQ(rows, i64(plan_.rows));
    stride = b_.CreateSelect(whole, i64(plan_.place_stride), stride);
    left = b_.CreateSelect(whole, element(x.place, b_.CreateMul(offset, i64(plan_.place_stride))), left_);
  } else {
    left = element(left_, b_.CreateMul(t, i64(plan_.tile_stride)));
  }
  Value* fetches = b_.CreateIsNotNull(frame_function(FrameFunction::fetch));
  when(b_, "fetch", b_.CreateAnd(x.ends, fetches),
       [&] { evaluate(FrameFunction::fetch, {x.batch, b_.CreateAdd(x.row, offset), rows, x.column}); });
  branch(
      b_, "tile", b_.CreateICmpSGT(plan_.k > 0 ? i64(plan_.k) : x.depth, i64(0)),
      [&] {
        // Integers have one sum over all segments.
        Value* behind = join_levels() ? b_.CreateAnd(x.from, i64(contract_segment - 1)) : x.from;
        run_tile(left, stride, panel, x.depth, tile, b_.CreateICmpNE(behind, i64(0)), rows, x.columns);
      },
      [&] {  // an empty sum is +0
        b_.CreateMemSet(tile, b_.getInt8(0), i64(elements * size_), llvm::MaybeAlign(64));
      });
  if (join_levels()) {
    Value* whole = b_.CreateICmpEQ(b_.CreateAnd(x.to, i64(contract_segment - 1)), i64(0));
    Value* finished = b_.CreateOr(whole, x.ends);
    when(b_, "segment", b_.CreateAnd(b_.CreateICmpSGT(grid_.segments, i64(1)), finished), [&] {
      Value* step = b_.CreateMul(b_.CreateSDiv(i64(plan_.tiles), grid_.levels), i64(elements * size_));
      Value* number = b_.CreateSDiv(x.from, i64(contract_segment));
      apart("join", {tile, at(tile, step), step, number, grid_.segments},
            [=](Driver& d, ValueRefs a) { d.join(a[0], a[1], a[2], a[3], a[4], elements); });
    });
  }
  when(b_, "epilogue", x.ends, [&] {
    evaluate(FrameFunction::epilogue, {x.batch, b_.CreateAdd(x.row, offset), rows, x.column, x.columns, tile});
  });
}

// Runs the micro-kernel over one tile: whole, or vector by vector where the panel is narrower, with fewer rows at the edge.
void Driver::run_tile(Value* left, Value* stride, Value* right, Value* depth, Value* sums, Value* resume, Value* rows,
                      Value* columns) {
  const auto with_rows = [&](int64_t count) {
    const auto whole = [&] {
      b_.CreateCall(tile_function(module_, tile_shape(plan_, dtype_, count, plan_.vectors), target_),
                    {left, right, depth, sums, resume, stride});
    };
    const auto narrow = [&] {
      llvm::Function* one = tile_function(module_, tile_shape(plan_, dtype_, count, 1), target_);
      counted_loop(b_, "vectors", {i64(0), columns, plan_.width}, [&](Value* c) {
        b_.CreateCall(one, {left, element(right, c), depth, element(sums, c), resume, stride});
      });
    };
    if (!has_narrow_panels(plan_)) return whole();
    if (!has_whole_panels(plan_)) return narrow();
    branch(b_, "whole", b_.CreateICmpSGT(columns, i64(plan_.columns() - plan_.width)), whole, narrow);
  };
  const int64_t edge = plan_.edge_rows;
  if (edge == 0) return with_rows(plan_.rows);
  branch(b_, "edge", b_.CreateICmpEQ(rows, i64(edge)), [&] { with_rows(edge); }, [&] { with_rows(plan_.rows); });
}

}  // namespace

void define_driver(llvm::Module& module, const ContractPlan& plan, DType dtype, const CpuTarget& target) {
  Builder b(module.getContext());
  Driver(driver_function(module, plan, dtype, target), b, plan, dtype, target).emit();
}

}  // namespace tenon::codegen
