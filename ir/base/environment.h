// The environment variables that the library reads, and the one door to them. A program that runs with more rights than its user
// (setuid, file capabilities) ignores them all: they name files to write, libraries to load and work to leave out. Refuses to
// know what a value means. The C runtime, which ships alone, reads TENON_THREADS and TENON_CUDA_BLOCKING in the same way.
#pragma once

#include <string>

namespace tenon {

#define TENON_VARIABLES(variable)                                                                                     \
  variable(cache, "TENON_CACHE") variable(cache_dir, "TENON_CACHE_DIR") variable(cache_bytes, "TENON_CACHE_BYTES")    \
      variable(xdg_cache, "XDG_CACHE_HOME") variable(home, "HOME") variable(dump, "TENON_DUMP")                       \
          variable(passes, "TENON_PASSES") variable(verify, "TENON_VERIFY") variable(debug, "TENON_DEBUG")            \
              variable(nvrtc, "TENON_NVRTC") variable(cuda_home, "CUDA_HOME") variable(cuda_path, "CUDA_PATH")        \
                  variable(memory_cache_bytes, "TENON_MEMORY_CACHE_BYTES")                                            \
                      variable(cuda_visible_devices, "CUDA_VISIBLE_DEVICES") variable(check_nans, "TENON_CHECK_NANS") \
                          variable(target, "TENON_TARGET")

enum class Variable {
#define TENON_VARIABLE(name, text) name,
  TENON_VARIABLES(TENON_VARIABLE)
#undef TENON_VARIABLE
};

// Its value; empty where it is not set, or not to be listened to.
std::string environment(Variable variable);
bool launched_by_mpirun();  // mpirun, mpiexec or srun: they tell a process its place

}  // namespace tenon
