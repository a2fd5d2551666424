// StableHLO programs as text, which JAX prints (jax.jit(f).lower(...).as_text()), as traced functions: they are called, jitted,
// differentiated and shipped like any other. What arrives is not trusted: a text of at most 256 MiB, read without running anything, or
// an Error that says file:line:column and what is the matter there.
#pragma once

#include <string>

#include "tenon/frontend/transform/traced.h"

namespace tenon::stablehlo {

// The public function of a module, @main where there are several. Its arguments are the tensors of a vector, its results another. i1 is
// bool, ui8 to ui64 are u8 to u64. Constants above 64 bytes are tensors that the traced function has captured. Functions that nobody calls
// are not read. stablehlo.custom_call @check.* become checks: a call whose values differ is an Error.
//
// A program with free extents, tensor<?xf32>, takes those of its arguments at each call. Where a shape is computed from the value of an
// argument, as JAX's scalars for dimension variables are, that value is read; inside a transform, where it cannot be, it is found among the
// extents of the arguments, and checked when the program runs.
//
// Error: a file that cannot be read, a text that is no such module, and an operation that is not known, by its name and place.
Traced load(const std::string& path, const At& at = At::current());
Traced parse(const std::string& text, const At& at = At::current());

}  // namespace tenon::stablehlo
