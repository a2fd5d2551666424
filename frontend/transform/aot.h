// Ahead-of-time compilation: a jitted function saved as an object file with headers for C and C++ and a manifest. For a GPU the
// object holds a bundle of machine code, which the small runtime loads; no GPU is needed to save one.
#pragma once

#include <string>
#include <vector>

#include "tenon/frontend/report/inspect.h"
#include "tenon/frontend/transform/jit.h"

namespace tenon::aot {

struct SaveOptions {
  std::string name;  // an identifier of C and C++: the function, and the names of the files
  std::string out = ".";  // folder, made if missing
  bool archive = false;  // also NAME.a
  bool native = false;  // for this machine's processor: the target "native"
  std::string target = "";  // "x86-64-v4", "znver4", "aarch64-linux-gnu", tn::cuda_target(90) ...; else x86-64-v3
  std::vector<std::string> arguments = {};  // what the headers call them, in order; in0, in1 ... unless told otherwise
  At at = At::current();  // the line that errors name: where these options are written
};

// Writes NAME.o, NAME.h, NAME.hpp and NAME.json (and NAME.a); for a GPU NAME.bundle, NAME.o, which holds it, NAME.h and NAME.json. Captured tensors become constants: those above 64 bytes lie in the
// object beside the code, each content once. Error for a bad name, an unknown target or an unwritable folder.
void save(const Lowered& lowered, const SaveOptions& options);

template <class F, class... A>
void save(const Jit<F>& function, const SaveOptions& options, const A&... args) {
  save(function.lower(args...), options);
}

}  // namespace tenon::aot
