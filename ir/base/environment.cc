// Reads environment variables. Refuses to keep them: whoever wants the value of the first use keeps it.
#include "tenon/ir/base/environment.h"

#include <cstdlib>

namespace tenon {

std::string environment(Variable variable) {
  static constexpr const char* names[] = {
#define TENON_VARIABLE(name, text) text,
      TENON_VARIABLES(TENON_VARIABLE)
#undef TENON_VARIABLE
  };
  const char* value = secure_getenv(names[static_cast<size_t>(variable)]);
  return value == nullptr ? "" : value;
}

bool launched_by_mpirun() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE"})
    if (secure_getenv(name) != nullptr) return true;
  return false;
}

}  // namespace tenon
