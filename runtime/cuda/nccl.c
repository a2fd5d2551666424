/* Loads NCCL and binds its functions. */
#define _GNU_SOURCE
#include "tenon/runtime/cuda/nccl.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tenon_nccl nccl;
static pthread_once_t loading = PTHREAD_ONCE_INIT;

static void* find(void* library, const char* symbol) {
  void* address = dlsym(library, symbol);
  if (address == NULL && nccl.problem[0] == '\0')
    snprintf(nccl.problem, sizeof nccl.problem, "%.300s is no NCCL of 2.14 or newer: it lacks %s", nccl.path, symbol);
  return address;
}

static void load(void) {
  const char* named = secure_getenv("TENON_NCCL");
  if (named != NULL && strcmp(named, "0") == 0) {
    snprintf(nccl.problem, sizeof nccl.problem, "TENON_NCCL=0 says to do without");
    return;
  }
  const char* name = named != NULL && named[0] != '\0' ? named : "libnccl.so.2";
  void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    const char* why = dlerror();
    snprintf(nccl.problem, sizeof nccl.problem, "%s", why != NULL ? why : "libnccl.so.2 cannot be loaded");
    return;
  }
  struct link_map* map = NULL;
  const int known = dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 && map != NULL && map->l_name != NULL;
  snprintf(nccl.path, sizeof nccl.path, "%s", known && map->l_name[0] != '\0' ? map->l_name : name);
  void* address = NULL;
#define BIND(member, symbol, parameters) \
  address = find(library, #symbol);      \
  memcpy(&nccl.member, &address, sizeof address);
  TENON_NCCL_FUNCTIONS(BIND)
  BIND(error_text, ncclGetErrorString, )
  if (nccl.problem[0] != '\0') return;
  if (nccl.version(&nccl.number) != tenon_nccl_done || nccl.number < tenon_nccl_oldest) {
    char version[32];
    tenon_nccl_version_text(nccl.number, version, sizeof version);
    snprintf(nccl.problem, sizeof nccl.problem, "%.300s is NCCL %s, and 2.14 is the oldest that serves", nccl.path,
             version);
  }
}

const tenon_nccl* tenon_nccl_get(void) {
  pthread_once(&loading, load);
  return &nccl;
}

void tenon_nccl_version_text(int number, char* out, size_t size) {
  snprintf(out, size, "%d.%d.%d", number / 10000, number / 100 % 100, number % 100);
}
