// The engine below the table of functions, for tests that look into it.
#pragma once

extern "C" {
#define _Static_assert static_assert
#include "tenon/runtime/c/ranks_engine.h"
#undef _Static_assert
}
