/* Loads the driver and binds its functions. */
#define _GNU_SOURCE
#include "tenon/runtime/cuda/driver.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static tenon_cuda_driver driver;
static pthread_once_t loading = PTHREAD_ONCE_INIT;

static void* find(void* library, const char* symbol, char* lacking, size_t size) {
  void* address = dlsym(library, symbol);
  if (address == NULL && lacking[0] == '\0') snprintf(lacking, size, "%s", symbol);
  return address;
}

static void load(void) {
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    const char* why = dlerror();
    snprintf(driver.problem, sizeof driver.problem, "%s", why != NULL ? why : "libcuda.so.1 cannot be loaded");
    return;
  }
  struct link_map* map = NULL;
  const int known = dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 && map != NULL && map->l_name != NULL;
  snprintf(driver.path, sizeof driver.path, "%s", known && map->l_name[0] != '\0' ? map->l_name : "libcuda.so.1");
  char missing[64] = "", graphless[64] = "";
  void* address = NULL;
#define BIND(list, member, symbol)                     \
  address = find(library, #symbol, list, sizeof list); \
  memcpy(&driver.member, &address, sizeof address);
#define BIND_REQUIRED(member, symbol, parameters) BIND(missing, member, symbol)
#define BIND_RUNNING(member, symbol, parameters) BIND(driver.lacks, member, symbol)
#define BIND_GRAPHS(member, symbol, parameters) BIND(graphless, member, symbol)
  TENON_CUDA_REQUIRED(BIND_REQUIRED)
  TENON_CUDA_RUNNING(BIND_RUNNING)
  TENON_CUDA_GRAPHS(BIND_GRAPHS)
  driver.has_graphs = graphless[0] == '\0';
  if (missing[0] != '\0') snprintf(driver.problem, sizeof driver.problem, "it has no %s", missing);
}

const tenon_cuda_driver* tenon_cuda_get_driver(void) {
  pthread_once(&loading, load);
  return &driver;
}
