// Numbers as text: the same in every locale and rounding mode, which printf and streams are not. Refuses to pad.
#pragma once

#include <string>

namespace tenon {

std::string shortest(double value);  // the fewest digits that read back to the same number
std::string fixed(double value, int decimals);  // 0.1000
std::string scientific(double value, int decimals);  // 1.0000e-01

}  // namespace tenon
