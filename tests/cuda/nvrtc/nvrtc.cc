// NVRTC's interface over the system's C++ compiler: what the tests load by TENON_NVRTC. Its images are for the simulated driver
// alone. Refuses headers, name expressions, PTX, and options that it does not know.
#include <cctype>
#include <cstring>
#include <memory>
#include <string>

#include "tenon/tests/cuda/nvrtc/compiler.h"

namespace {

enum Result {
  success = 0,
  invalid_input = 3,
  invalid_program = 4,
  invalid_option = 5,
  compilation = 6,
};

constexpr int architectures[] = {80, 86, 89, 90, 100};

struct Program {
  std::string text, name;
  simulated::Compiled compiled;
};

// "90a" of --gpu-architecture=sm_90a; empty when it is not known.
std::string architecture_of(const std::string& value) {
  if (value.compare(0, 3, "sm_") != 0) return "";
  const std::string said = value.substr(3);
  for (const int a : architectures)
    if (said == std::to_string(a) || (a >= 90 && said == std::to_string(a) + "a")) return said;
  return "";
}

bool known(const std::string& option) {
  for (const char* o : {"--std=",
                        "-std=",
                        "--fmad=",
                        "-fmad=",
                        "--minimal",
                        "-minimal",
                        "--no-cache",
                        "-no-cache",
                        "--device-debug",
                        "-G",
                        "--generate-line-info",
                        "-lineinfo",
                        "--use_fast_math",
                        "--ftz=",
                        "--prec-div=",
                        "--prec-sqrt=",
                        "--extra-device-vectorization",
                        "--maxrregcount=",
                        "-D",
                        "--define-macro=",
                        "--ptxas-options",
                        "-Xptxas",
                        "--restrict",
                        "--split-compile",
                        "-default-device",
                        "--disable-warnings",
                        "-w",
                        "--diag-suppress"})
    if (option.compare(0, std::strlen(o), o) == 0) return true;
  return false;
}

}  // namespace

extern "C" {

const char* nvrtcGetErrorString(int result) {
  switch (result) {
    case success: return "NVRTC_SUCCESS";
    case invalid_input: return "NVRTC_ERROR_INVALID_INPUT";
    case invalid_program: return "NVRTC_ERROR_INVALID_PROGRAM";
    case invalid_option: return "NVRTC_ERROR_INVALID_OPTION";
    case compilation: return "NVRTC_ERROR_COMPILATION";
    default: return "NVRTC_ERROR unknown";
  }
}
int nvrtcVersion(int* major, int* minor) {
  if (!major || !minor) return invalid_input;
  *major = 13, *minor = 0;
  return success;
}
int nvrtcGetNumSupportedArchs(int* count) {
  return count ? (*count = std::size(architectures), success) : invalid_input;
}
int nvrtcGetSupportedArchs(int* list) {
  if (!list) return invalid_input;
  std::copy(std::begin(architectures), std::end(architectures), list);
  return success;
}
int nvrtcCreateProgram(void** program, const char* text, const char* name, int headers, const char* const*,
                       const char* const*) {
  if (!program || !text || headers != 0) return invalid_input;
  *program = new Program{text, name ? name : "default_program", {}};
  return success;
}
int nvrtcDestroyProgram(void** program) {
  if (!program || !*program) return invalid_program;
  delete static_cast<Program*>(*program);
  *program = nullptr;
  return success;
}
int nvrtcCompileProgram(void* program, int count, const char* const* options) {
  if (!program) return invalid_program;
  auto& p = *static_cast<Program*>(program);
  std::string architecture = "80";
  for (int i = 0; i < count; ++i) {
    const std::string option = options[i];
    if (option.find("-arch") != std::string::npos || option.find("--gpu-architecture") != std::string::npos) {
      architecture = architecture_of(option.substr(option.find('=') + 1));
      if (architecture.empty())
        return p.compiled.log = "invalid value for --gpu-architecture: " + option, invalid_option;
    } else if (!known(option)) {
      return p.compiled.log = "unknown option " + option, invalid_option;
    }
  }
  p.compiled = simulated::compile(p.text, p.name, architecture);
  return p.compiled.ok ? success : compilation;
}
int nvrtcGetCUBINSize(void* program, size_t* bytes) {
  if (!program || !bytes) return invalid_input;
  *bytes = static_cast<Program*>(program)->compiled.image.size();
  return *bytes ? success : invalid_program;
}
int nvrtcGetCUBIN(void* program, char* image) {
  if (!program || !image) return invalid_input;
  const auto& from = static_cast<Program*>(program)->compiled.image;
  std::copy(from.begin(), from.end(), image);
  return from.empty() ? invalid_program : success;
}
int nvrtcGetProgramLogSize(void* program, size_t* bytes) {
  if (!program || !bytes) return invalid_input;
  *bytes = static_cast<Program*>(program)->compiled.log.size() + 1;
  return success;
}
int nvrtcGetProgramLog(void* program, char* log) {
  if (!program || !log) return invalid_input;
  std::strcpy(log, static_cast<Program*>(program)->compiled.log.c_str());
  return success;
}

}  // extern "C"
