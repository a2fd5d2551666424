// Where the interpreter finds the other ranks: a function that the thread at hand has been given, or none, which is a world of one.
#pragma once

#include "tenon/ir/graph/attributes.h"
#include "tenon/ir/reference/array.h"

namespace tenon::ir {

// A collective of the calling rank: op, attributes, operand (null: none) and result (null: none). Throws Error where ranks fail.
struct RanksOfThread {
  void (*run)(void* context, Op op, const Collective& what, const Array* operand, Array* result) = nullptr;
  int64_t (*rank)(void* context) = nullptr;
  void* context = nullptr;
};

// While it lives, collectives that this thread interprets ask these ranks.
class InterpretedRanks {
 public:
  explicit InterpretedRanks(const RanksOfThread& ranks);
  ~InterpretedRanks();
  InterpretedRanks(const InterpretedRanks&) = delete;
  InterpretedRanks& operator=(const InterpretedRanks&) = delete;
  static const RanksOfThread& current();

 private:
  const RanksOfThread before_;
};

}  // namespace tenon::ir
