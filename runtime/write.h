// Writing to descriptors, so that a limit on file sizes or a pipe that nobody reads is an error and not the end of the process:
// the signals that say so (SIGXFSZ, SIGPIPE) are held back from the thread meanwhile, and taken away when they came of the
// writing. Refuses to change what the program does with signals.
#pragma once

#include <string>
#include <string_view>

namespace tenon::runtime {

class SignalsHeld {
 public:
  SignalsHeld();
  ~SignalsHeld();  // errno stays as it is
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;

 private:
  unsigned pending_ = 0;  // before, by bits
  unsigned blocked_ = 0;
};

bool write_all(int descriptor, std::string_view bytes);  // false: errno says why
// Makes the file or empties it, and writes it; what is wrong, or nothing.
std::string write_file(const std::string& path, std::string_view bytes, std::string_view more = {});
void warn(const std::string& line);  // one line for stderr

}  // namespace tenon::runtime
