// What a compiler's settings must be before it reads anything else of Tenon. Each that does not serve is refused by one #error; the
// compiler stops behind it, at a file that does not exist, for nothing after it would compile.
#pragma once

#define TENON_STOP "the error above says why"

#if __cplusplus < 202002L
#error "Tenon needs C++20: compile with -std=c++20"
#include TENON_STOP
#endif

#if !defined(__cpp_exceptions)
#error "Tenon reports mistakes by exceptions, in its headers too: compile without -fno-exceptions"
#include TENON_STOP
#endif

#include <cstddef>  // tells which standard library this is, and how it is set

#if defined(_GLIBCXX_USE_CXX11_ABI) && !_GLIBCXX_USE_CXX11_ABI
#error "std::string would differ from the one inside libtenon: compile without -D_GLIBCXX_USE_CXX11_ABI=0"
#include TENON_STOP
#endif

#if defined(_GLIBCXX_DEBUG)
#error "_GLIBCXX_DEBUG changes the containers that libtenon shares with you: use _GLIBCXX_ASSERTIONS instead"
#include TENON_STOP
#endif

#undef TENON_STOP
