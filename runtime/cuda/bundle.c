/* A saved program as one piece of memory, and how it comes to a device: a head of words, then modules and list.
 *
 *   magic, format, architecture (90 is sm_90), modules, bytes of the list, sum, bytes of each module; then the list and the modules,
 *   each from a multiple of 16 bytes on. The sum is FNV-1a over the words behind the head. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tenon/codegen/cuda/launch_list.h"
#include "tenon/runtime/cuda/device.h"

enum { most_modules = 1 << 16 };

static uint64_t rounded(uint64_t n) { return (n + 15) / 16 * 16; }

static int32_t damaged(tenon_cuda_fault* fault, const char* name, const char* what) {
  char text[300];
  snprintf(text, sizeof text, "the bundle of '%s' cannot be used: %s; save the program again", name, what);
  return tenon_cuda_refuse(fault, TENON_DEVICE_FAILED, text);
}

/* The cubin of one architecture runs on devices of the same major version, those with an 'a' (from 90 on) on that device alone. */
static int32_t check_architecture(tenon_cuda_device* d, int64_t built, const char* name, tenon_cuda_fault* fault) {
  int major = 0, minor = 0;
  d->cu->device_attribute(&major, tenon_cuda_capability_major, d->handle);
  d->cu->device_attribute(&minor, tenon_cuda_capability_minor, d->handle);
  const int64_t here = 10 * major + minor;
  if (built >= 90 ? here == built : built / 10 == here / 10 && built <= here) return TENON_OK;
  char text[300];
  snprintf(text, sizeof text,
           "'%s' was compiled for sm_%lld, and cuda:%d is sm_%lld; save it with .target = tn::cuda_target(%lld)", name,
           (long long)built, d->ordinal, (long long)here, (long long)here);
  return tenon_cuda_refuse(fault, TENON_DEVICE_FAILED, text);
}

int32_t tenon_cuda_load_bundle(tenon_cuda_device* device, const char* name, const void* bundle, uint64_t bytes,
                               tenon_custom (*resolve)(void* context, const char* name), void* context,
                               tenon_cuda_program** program, tenon_cuda_fault* fault) {
  int64_t head[6];
  if (device == NULL || bundle == NULL || program == NULL) return TENON_BAD_CALL;
  if (name == NULL) name = "a program";
  if (bytes < sizeof head) return damaged(fault, name, "it is too short");
  memcpy(head, bundle, sizeof head);
  if (head[0] != TENON_BUNDLE_MAGIC) return damaged(fault, name, "it does not begin as one");
  if (head[1] != TENON_LAUNCHES_FORMAT) return damaged(fault, name, "it has the format of another version of Tenon");
  const int64_t modules = head[3];
  const uint64_t first = 8 * (6 + (uint64_t)modules);
  if (modules < 0 || modules > most_modules || head[4] < 0 || first > bytes)
    return damaged(fault, name, "it is damaged");
  if (tenon_bundle_sum((const unsigned char*)bundle + sizeof head, bytes - sizeof head) != (uint64_t)head[5])
    return damaged(fault, name, "its bytes are not those that were saved");
  const int32_t fits = check_architecture(device, head[2], name, fault);
  if (fits != TENON_OK) return fits;
  const void** each = (const void**)calloc((size_t)modules + 1, sizeof *each);
  uint64_t* sizes = (uint64_t*)calloc((size_t)modules + 1, sizeof *sizes);
  int32_t code = TENON_NO_MEMORY;
  if (each == NULL || sizes == NULL) {
    tenon_cuda_no_host_memory(fault);
  } else {
    const unsigned char* start = (const unsigned char*)bundle;
    uint64_t at = rounded(first);
    const void* list = start + at;
    int whole = (uint64_t)head[4] <= bytes - first;
    if (whole) at += rounded((uint64_t)head[4]);
    memcpy(sizes, start + sizeof head, 8 * (size_t)modules);
    for (int64_t m = 0; whole && m < modules; ++m) {
      whole = at <= bytes && sizes[m] <= bytes - at;
      each[m] = start + at;
      if (whole) at += rounded(sizes[m]);
    }
    const tenon_cuda_image image = {.struct_size = sizeof image,
                                    .name = name,
                                    .list = list,
                                    .list_bytes = (uint64_t)head[4],
                                    .modules = each,
                                    .module_bytes = sizes,
                                    .module_count = (uint32_t)modules,
                                    .resolve = resolve,
                                    .resolve_context = context};
    code = whole ? tenon_cuda_load(device, &image, program, fault) : damaged(fault, name, "it is cut off");
  }
  free(each);
  free(sizes);
  return code;
}
