// How much building of graphs a thread has asked for: a bound on it is one on time, which what nobody trusts may not take.
#pragma once

#include <cstdint>

namespace tenon::ir {

// Ops that this thread has asked all its builders for so far, those that were folded or found equal included.
uint64_t ops_asked();

}  // namespace tenon::ir
