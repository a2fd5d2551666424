// NumPy as a subject: Debian's python3-numpy in a process of its own, one thread, which runs a statement when its turn comes and answers with
// the seconds that it took. Refuses nothing: where there is no NumPy, there is no subject.
#pragma once

#include <optional>
#include <string>

#include "tenon/bench/case.h"

namespace tenon::bench {

inline constexpr const char* numpy_name = "NumPy";

// `setup` makes the data, with np at hand. Nothing where either fails.
std::optional<Subject> numpy(const std::string& setup, const std::string& statement);

}  // namespace tenon::bench
