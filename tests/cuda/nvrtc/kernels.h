// Finds the kernels in a module's text. Refuses kernels that are templates, that macros write, or that have no extern "C".
#pragma once

#include <string>

namespace simulated {

// The text with a registration behind each kernel's body, and with dynamic shared memory, which is declared as an extern array in
// CUDA, as a pointer. Keeps every line's number.
std::string with_registrations(const std::string& text);

}  // namespace simulated
