// What every rank of a group says, for every rank to hear: how they agree outside of programs. Internal to the frontend.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tenon/frontend/dist/world.h"

namespace tenon::dist {

struct Saying {
  enum What : uint8_t { fine, unfit, failed };  // unfit: the caller's mistake
  What what = fine;
  int64_t first = 0, second = 0;
  std::array<uint8_t, 32> digest{};
  std::string text;  // its first 400 bytes arrive
};

// By rank, the same on each. Returns when all have said something. Error where a rank is gone.
std::vector<Saying> said_by_all(const Saying& own, const Group& group, const std::string& where);

// The first that is worse than all before it; -1: all are fine.
int worst_of(const std::vector<Saying>& said);

}  // namespace tenon::dist
