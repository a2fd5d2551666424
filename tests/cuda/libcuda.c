/* A driver that is none: what the tests load as libcuda.so.1. SIMULATED_CUDA says how it is, in words such as
 * "init=0 version=13000 devices=1 sm=90"; what is not said is as here. Refuses to run anything. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int said(const char* word, int otherwise) {
  const char* text = getenv("SIMULATED_CUDA");
  const size_t length = strlen(word);
  while (text != NULL && *text != '\0') {
    if (strncmp(text, word, length) == 0 && text[length] == '=') return atoi(text + length + 1);
    text = strchr(text, ' ');
    if (text != NULL) ++text;
  }
  return otherwise;
}

int cuInit(unsigned flags) { return flags == 0 ? said("init", 0) : 1; }
int cuDriverGetVersion(int* version) { return *version = said("version", 13000), 0; }
int cuDeviceGetCount(int* count) { return *count = said("devices", 1), 0; }
int cuDeviceGet(int* device, int ordinal) { return *device = ordinal, 0; }
int cuDeviceGetName(char* name, int size, int device) {
  (void)device;
  strncpy(name, "Simulated", (size_t)size);
  return 0;
}
int cuDeviceGetAttribute(int* value, int attribute, int device) {
  const int sm = said("sm", 90);
  (void)device;
  *value = attribute == 75 ? sm / 10 : attribute == 76 ? sm % 10 : attribute == 16 ? 132 : 0;
  return 0;
}
int cuDeviceTotalMem_v2(size_t* bytes, int device) {
  (void)device;
  *bytes = (size_t)139 << 30;
  return 0;
}
int cuGetErrorName(int result, const char** name) {
  *name = result == 999 ? "CUDA_ERROR_UNKNOWN" : result == 802 ? "CUDA_ERROR_SYSTEM_NOT_READY" : "CUDA_ERROR_SOME";
  return 0;
}
