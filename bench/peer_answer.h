// What a peer says, a line at a time: bench/peers/serve.py speaks, this reads. Refuses every line that is none of the four forms:
//
//   ready VERSION...       it has started
//   none WHY...            it has not, or knows no such row
//   prepared DIFFERENCE    of its result from Tenon's, the largest over the largest magnitude; may be inf
//   seconds S              that one call took
#pragma once

#include <cstdint>
#include <string>

namespace tenon::bench {

struct Answer {
  enum class Kind : uint8_t { ready, none, prepared, seconds };
  Kind kind = Kind::none;
  double number = 0;  // prepared: not negative; seconds: positive and finite
  std::string text;  // of ready and none
};

// std::runtime_error for nonsense.
Answer parse_answer(const std::string& line);

}  // namespace tenon::bench
