// Ahead-of-time compilation: a jitted function saved as an object file and a C header.
#pragma once

#include <string>

#include "tenon/frontend/report/inspect.h"
#include "tenon/frontend/transform/jit.h"

namespace tenon::aot {

struct SaveOptions {
  std::string name;            // a C identifier: the function, and the names of the files
  std::string out = ".";       // folder, made if missing
  bool archive = false;        // also NAME.a
  bool native = false;         // for this machine's processor instead of x86-64-v3
  At at = At::current();       // the line that errors name: where these options are written
};

// Writes NAME.o and NAME.h (and NAME.a). Error for a bad name or an unwritable folder.
void save(const Lowered& lowered, const SaveOptions& options);

template <class F, class... A>
void save(const Jit<F>& function, const SaveOptions& options, const A&... args) {
  save(function.lower(args...), options);
}

}  // namespace tenon::aot
