// A piece of a test in a process of its own, which a signal may end and limits may bind; and commands.
#pragma once

#include <functional>
#include <string>

// For tests whose child has threads.
#if defined(__SANITIZE_THREAD__)
#define SKIP_UNDER_TSAN GTEST_SKIP() << "ThreadSanitizer knows no threads in a child of a threaded process"
#else
#define SKIP_UNDER_TSAN
#endif

namespace tenon::testing {

// Runs the function in a forked child that must end by itself within a minute. Its result, 99 and a line on stderr where it throws,
// or 1000 and the signal that ended the child. `said`: what the child wrote to stderr, which is not shown then.
int in_child(const std::function<int()>& function, std::string* said = nullptr);

// What a command of the shell prints, stderr too, in no locale.
std::string printed_by(const std::string& command, bool& succeeded);

}  // namespace tenon::testing
