// The CUDA driver as a table of its functions, loaded from libcuda.so.1 when first asked. Its results are an int, 0 being success.
// Refuses to choose a device.
#pragma once

#include <cstddef>
#include <string>

namespace tenon::runtime {

struct CudaDriver {
  std::string path;  // of the library as it is loaded; empty: there is none
  std::string problem;  // why not, as the loader says it, or which function it lacks

  int (*init)(unsigned flags) = nullptr;
  int (*version)(int* version) = nullptr;
  int (*device_count)(int* count) = nullptr;
  int (*device)(int* device, int ordinal) = nullptr;
  int (*device_name)(char* name, int size, int device) = nullptr;
  int (*device_attribute)(int* value, int attribute, int device) = nullptr;
  int (*device_memory)(size_t* bytes, int device) = nullptr;
  int (*error_name)(int result, const char** name) = nullptr;

  bool found() const { return !path.empty() && problem.empty(); }
  std::string name_of(int result) const;  // "CUDA_ERROR_UNKNOWN (999)"
};

const CudaDriver& cuda_driver();  // stays loaded: unloading it is not safe

}  // namespace tenon::runtime
