// Making a failing program small enough to read.
#pragma once

#include <functional>

#include "tenon/tests/op_cases.h"

namespace tenon::testing {

// The smallest program found that still fails: numbers for symbols, fewer outputs, values turned into inputs of the same
// content, ops left out at any depth, loops and branches replaced by their bodies, shorter extents, plain inputs. `fails` is
// asked at most `tries` times, and may say no when it has no more time.
Case shrunk(Case program, const std::function<bool(const Case&)>& fails, int tries);

// The graph with these outputs alone, without the nodes and inputs that none of them needs; named as `like`, and with its NaNs.
Case pruned(const ir::Graph& graph, std::vector<ir::ValueId> outputs, const std::vector<ir::Array>& inputs,
            const Case& like);

// The program over numbers where it had symbols, which take the values that the inputs have. Constants fold on the way,
// unless told otherwise.
std::shared_ptr<const ir::Graph> specialised(const ir::Graph& graph, const std::vector<ir::Array>& inputs,
                                             bool fold = true);

// The values of the free symbols that the inputs bind; a symbol that none mentions has its lower bound.
std::vector<int64_t> dims_of(const ir::Graph& graph, const std::vector<ir::Array>& inputs);

// Text that parse() reads, and what the inputs hold.
std::string described(const Case& program);

}  // namespace tenon::testing
