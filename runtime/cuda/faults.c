/* What the driver's results mean to a user, and what helps. Numbers and names stand in NVIDIA's description of the driver
 * interface ("CUresult"). Refuses to end anything: a lost device is said to be lost, and the host goes on. */
#include <stdio.h>
#include <string.h>

#include "tenon/runtime/cuda/device.h"

typedef struct meaning {
  int result;
  int loses; /* the context is of no use afterwards */
  const char *what, *remedy;
} meaning;

static const char bug_of_code[] =
    "this is a fault of generated code: run with TENON_CUDA_BLOCKING=1 to see which kernel it is, and report it; "
    "TENON_DUMP "
    "writes the program";

static const meaning meanings[] = {
    {1, 0, "the driver was given something invalid", "report this: it is a fault of Tenon's"},
    {2, 0, "the device is out of memory",
     "drop tensors that are not needed, use smaller batches, donate arguments (jit's .donate), or use tn::checkpoint"},
    {3, 1, "the driver is not initialized", "restart the process"},
    {4, 1, "the driver is shutting down: the process is about to end", "do device work before main() returns"},
    {46, 1, "the device is not available", "see whether another process uses it in exclusive mode (nvidia-smi -q)"},
    {100, 0, "there is no such device", "see what nvidia-smi -L lists, and CUDA_VISIBLE_DEVICES"},
    {101, 0, "there is no such device", "see what nvidia-smi -L lists, and CUDA_VISIBLE_DEVICES"},
    {200, 0, "the machine code is damaged or is none for a GPU",
     "delete the kernel cache (TENON_CACHE_DIR) or the bundle, and compile again"},
    {201, 1, "the device's context is gone", "somebody reset the device; restart the process"},
    {209, 0, "the program was compiled for another architecture than this device has",
     "compile it for this device: tn::cuda_target(N), N being what tn::device_info(tn::cuda(0)).architecture says"},
    {214, 1, "the device met an uncorrectable memory error (ECC)",
     "restart the process; if it comes again, have the device checked (nvidia-smi -q -d ECC)"},
    {218, 0, "the driver cannot compile this code", "update the driver"},
    {220, 1, "the link between devices failed", "restart the process; have nvidia-smi nvlink -s checked"},
    {222, 0, "the code is of a newer CUDA than the driver serves", "update the driver"},
    {223, 0, "the driver's compiler is switched off", "unset CUDA_DISABLE_PTX_JIT"},
    {226, 1, "the device's memory was fenced off after a failure", "restart the process"},
    {300, 0, "the machine code is damaged",
     "delete the kernel cache (TENON_CACHE_DIR) or the bundle, and compile again"},
    {301, 0, "the driver lacks a file of its own", "install the NVIDIA driver anew"},
    {302, 0, "the driver lacks a symbol of its own", "install the NVIDIA driver anew"},
    {304, 1, "the operating system refused the driver", "see the limits of this process (ulimit -v, -l) and dmesg"},
    {400, 0, "a handle is none of the driver's", "report this: it is a fault of Tenon's"},
    {500, 0, "the machine code lacks a kernel that the program launches",
     "delete the kernel cache (TENON_CACHE_DIR) or the bundle, and compile again"},
    {600, 0, "the work has not ended", "report this: it is a fault of Tenon's"},
    {700, 1, "a kernel read or wrote memory that is not there", bug_of_code},
    {701, 0, "a kernel asks for more registers or shared memory than the device has", bug_of_code},
    {702, 1, "a kernel ran for too long and was stopped",
     "use a device that drives no display, or raise its limit of run time"},
    {714, 1, "a kernel left its stack", bug_of_code},
    {715, 1, "a kernel met an instruction that the device does not know", bug_of_code},
    {716, 1, "a kernel accessed memory at an address that is not aligned", bug_of_code},
    {717, 1, "a kernel used memory of the wrong kind", bug_of_code},
    {718, 1, "a kernel jumped to nowhere", bug_of_code},
    {719, 1, "a kernel failed while it ran", bug_of_code},
    {800, 0, "the device or this process is not permitted to do this", "see the limits of the container or of MPS"},
    {801, 0, "the device or its driver cannot do this", "update the driver"},
    {802, 1, "the driver waits for the machine's fabric",
     "start the service nvidia-fabricmanager of the driver's version"},
    {900, 0, "the stream is being captured by somebody else", "do not capture a stream that Tenon works on"},
    {910, 0, "a graph cannot be changed so", "report this: it is a fault of Tenon's"},
    {999, 1, "the driver failed and does not say why", "see dmesg for lines with NVRM: Xid, and restart the process"}};

static const meaning* meaning_of(int result) {
  for (size_t k = 0; k < sizeof meanings / sizeof meanings[0]; ++k)
    if (meanings[k].result == result) return &meanings[k];
  static const meaning unknown = {0, 1, "the driver failed",
                                  "see dmesg for lines with NVRM: Xid, and restart the process"};
  return &unknown;
}

int32_t tenon_cuda_refuse(tenon_cuda_fault* fault, int32_t code, const char* text) {
  if (fault != NULL) {
    memset(fault, 0, sizeof *fault);
    snprintf(fault->text, sizeof fault->text, "%s", text);
  }
  return code;
}

int32_t tenon_cuda_no_host_memory(tenon_cuda_fault* fault) {
  return tenon_cuda_refuse(fault, TENON_NO_MEMORY, "the host is out of memory; drop what is not needed");
}

/* The call that the device was at when it stopped, if it is still known. */
static void blame(const tenon_cuda_device* device, tenon_cuda_fault* fault) {
  const uint32_t next = tenon_cuda_ended(device) + 1;
  if (device->issued - next >= tenon_cuda_calls_kept) return;
  const tenon_cuda_kept_call* call = &device->calls[next % tenon_cuda_calls_kept];
  snprintf(fault->name, sizeof fault->name, "%s", call->name);
  fault->file = call->file;
  fault->line = call->line;
  fault->column = call->column;
}

int32_t tenon_cuda_fail(tenon_cuda_device* device, tenon_cuda_fault* fault, int result, const char* doing) {
  tenon_cuda_fault own;
  if (fault == NULL) fault = &own;
  memset(fault, 0, sizeof *fault);
  const meaning* m = meaning_of(result);
  const char* name = NULL;
  const tenon_cuda_driver* cu = device != NULL ? device->cu : tenon_cuda_get_driver();
  if (cu->error_name == NULL || cu->error_name(result, &name) != 0 || name == NULL) name = "error";
  fault->result = result;
  fault->lost = m->loses;
  char where[24] = "the GPU";
  if (device != NULL) snprintf(where, sizeof where, "cuda:%d", device->ordinal);
  if (m->loses && device != NULL && device->issued != 0) blame(device, fault);
  const int known = fault->name[0] != '\0';
  snprintf(fault->text, sizeof fault->text, "%s%s%s%s: %s while %s: %s (%d)%s; %s", known ? "'" : "", fault->name,
           known ? "' failed on " : "", where, m->what, doing, name, result,
           m->loses ? "; the device serves this process no more, the CPU does" : "", m->remedy);
  if (m->loses && device != NULL && !device->lost) {
    device->loss = *fault;
    device->lost = 1;
  }
  return result == 2 ? TENON_NO_MEMORY : TENON_DEVICE_FAILED;
}
