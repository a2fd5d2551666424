/* Programs come to a device and go: modules, functions, constants. A program that goes while its work is queued waits in a list
 * until that work has ended. */
#include "tenon/runtime/cuda/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  free_shared = 48 << 10, /* bytes of shared memory that a block may have without asking */
  attribute_static_shared = 1,
  attribute_dynamic_shared_most = 8
};

static void* zeroed(int64_t count, size_t size) { return calloc((size_t)(count > 0 ? count : 1), size); }

static void destroy(tenon_cuda_program* p, int on_device) {
  tenon_cuda_device* d = p->device;
  if (on_device) {
    tenon_cuda_free_graph(p);
    tenon_cuda_release(d, p->data);
    for (uint32_t m = 0; m < p->module_count; ++m)
      if (p->modules[m] != NULL) d->cu->unload_module(p->modules[m]);
  }
  free(p->graph.nodes);
  tenon_cuda_free_actions(&p->graph.built);
  tenon_cuda_free_actions(&p->actions);
  tenon_launch_list_free(&p->list);
  free(p->modules);
  free(p->functions);
  free(p->customs);
  free(p->numbers);
  free(p->addresses);
  free(p);
}

void tenon_cuda_drop_retired(tenon_cuda_device* d, int all) {
  tenon_cuda_program** place = &d->retired;
  while (*place != NULL) {
    tenon_cuda_program* p = *place;
    /* Numbers wrap round: both are looked at from the last one that was given. */
    if (all || d->issued - p->last_call >= d->issued - tenon_cuda_ended(d)) {
      *place = p->next_retired;
      destroy(p, 1);
    } else {
      place = &p->next_retired;
    }
  }
}

void tenon_cuda_unload(tenon_cuda_program* p) {
  if (p == NULL) return;
  tenon_cuda_device* d = p->device;
  if (tenon_cuda_enter(d, NULL) != TENON_OK) {
    destroy(p, 0);
    return;
  }
  p->next_retired = d->retired;
  d->retired = p;
  tenon_cuda_drop_retired(d, 0);
  tenon_cuda_leave(d);
}

/* Blocks may have more shared memory than 48 KiB where they ask for it; as much as the device has beside what is static. */
static int allow_shared(tenon_cuda_device* d, void* function, const tenon_list_kernel* k) {
  int fixed = 0, most = 0;
  if (k->shared_count == 0) return 0;
  int result = d->cu->function_attribute(&fixed, attribute_static_shared, function);
  if (result == 0) result = d->cu->device_attribute(&most, tenon_cuda_shared_opt_in, d->handle);
  if (result != 0 || most - fixed <= free_shared) return result;
  return d->cu->set_function_attribute(function, attribute_dynamic_shared_most, most - fixed);
}

/* The driver takes no size, so what it may read must be there: an ELF file for 64 bits whose tables and sections lie inside. */
static int is_whole(const void* image, uint64_t bytes) {
  const unsigned char magic[] = {0x7f, 'E', 'L', 'F', 2, 1};
  uint64_t table = 0, offset = 0, size = 0;
  uint16_t entry = 0, count = 0;
  uint32_t kind = 0;
  const unsigned char* file = (const unsigned char*)image;
  if (bytes < 64 || memcmp(file, magic, sizeof magic) != 0) return 0;
  memcpy(&table, file + 40, 8);
  memcpy(&entry, file + 58, 2);
  memcpy(&count, file + 60, 2);
  if (entry != 64 || table > bytes || (uint64_t)count * entry > bytes - table) return 0;
  for (uint16_t k = 0; k < count; ++k) {
    const unsigned char* header = file + table + (uint64_t)k * entry;
    memcpy(&kind, header + 4, 4);
    memcpy(&offset, header + 24, 8);
    memcpy(&size, header + 32, 8);
    if (kind != 8 && kind != 0 && (offset > bytes || size > bytes - offset))
      return 0; /* 8: takes no room in the file */
  }
  return 1;
}

static int32_t load_code(tenon_cuda_program* p, const tenon_cuda_image* image, tenon_cuda_fault* fault) {
  tenon_cuda_device* d = p->device;
  char doing[400];
  for (uint32_t m = 0; m < image->module_count; ++m) {
    const int whole = is_whole(image->modules[m], image->module_bytes[m]);
    const int result = whole ? d->cu->load_module(&p->modules[m], image->modules[m]) : 200; /* an invalid image */
    snprintf(doing, sizeof doing, "machine code of '%s' was loaded", p->name);
    if (result != 0) return tenon_cuda_fail(d, fault, result, doing);
  }
  for (int64_t k = 0; k < p->list.kernel_count; ++k) {
    const tenon_list_kernel* kernel = &p->list.kernels[k];
    char name[256];
    snprintf(name, sizeof name, "%.*s", (int)kernel->name.size, kernel->name.bytes);
    snprintf(doing, sizeof doing, "kernel %s was looked for", name);
    int result = d->cu->function(&p->functions[k], p->modules[kernel->module], name);
    if (result == 0) result = allow_shared(d, p->functions[k], kernel);
    if (result != 0) return tenon_cuda_fail(d, fault, result, doing);
  }
  return TENON_OK;
}

static int32_t load_data(tenon_cuda_program* p, tenon_cuda_fault* fault) {
  const uint64_t bytes = (uint64_t)p->list.data_bytes;
  if (bytes == 0) return TENON_OK;
  const int32_t code = tenon_cuda_obtain(p->device, bytes, &p->data, fault);
  if (code != TENON_OK) return code;
  const int32_t sent = tenon_cuda_send(p->device, p->data, p->list.data, bytes, fault);
  p->list.data = NULL; /* the caller's */
  return sent;
}

static int32_t find_customs(tenon_cuda_program* p, const tenon_cuda_image* image, tenon_cuda_fault* fault) {
  for (int64_t k = 0; k < p->list.custom_count; ++k) {
    char name[256], text[500];
    snprintf(name, sizeof name, "%.*s", (int)p->list.customs[k].size, p->list.customs[k].bytes);
    p->customs[k] = image->resolve != NULL ? image->resolve(image->resolve_context, name) : NULL;
    if (p->customs[k] != NULL) continue;
    snprintf(text, sizeof text, "no function is registered for the custom call '%s'; call register_custom_call first",
             name);
    return tenon_cuda_refuse(fault, TENON_DEVICE_FAILED, text);
  }
  return TENON_OK;
}

static int32_t read_image(tenon_cuda_program* p, const tenon_cuda_image* image, tenon_cuda_fault* fault) {
  snprintf(p->name, sizeof p->name, "%s", image->name != NULL ? image->name : "a program");
  const char* wrong = tenon_launch_list_read(&p->list, image->list, image->list_bytes, image->module_count);
  if (wrong != NULL) {
    char text[300];
    snprintf(text, sizeof text, "the launch list of '%s' cannot be used: %s; compile the program again", p->name,
             wrong);
    return tenon_cuda_refuse(fault, TENON_DEVICE_FAILED, text);
  }
  const tenon_launch_list* l = &p->list;
  p->modules = (void**)zeroed(image->module_count, sizeof *p->modules);
  p->functions = (void**)zeroed(l->kernel_count, sizeof *p->functions);
  p->customs = (tenon_custom*)zeroed(l->custom_count, sizeof *p->customs);
  p->numbers = (int64_t*)zeroed(l->symbol_count + 2 * l->buffer_count, sizeof *p->numbers);
  p->addresses = (tenon_cuda_address*)zeroed(l->buffer_count, sizeof *p->addresses);
  if (p->modules == NULL || p->functions == NULL || p->customs == NULL || p->numbers == NULL || p->addresses == NULL)
    return tenon_cuda_no_host_memory(fault);
  p->module_count = image->module_count;
  p->code_bytes = sizeof *p + image->list_bytes;
  for (uint32_t m = 0; m < image->module_count; ++m) p->code_bytes += image->module_bytes[m];
  if (!p->device->cu->has_graphs) p->no_graph = "the driver has no graphs";
  if (l->has_flags)
    p->no_graph = "it has a loop or a branch whose end depends on a value, a check or a print, which the host reads";
  if (l->custom_count != 0) p->no_graph = "it calls a function of the host";
  return find_customs(p, image, fault);
}

int32_t tenon_cuda_load(tenon_cuda_device* device, const tenon_cuda_image* image, tenon_cuda_program** program,
                        tenon_cuda_fault* fault) {
  if (device == NULL || image == NULL || image->struct_size < sizeof *image) return TENON_BAD_CALL;
  tenon_cuda_program* p = (tenon_cuda_program*)calloc(1, sizeof *p);
  if (p == NULL) return tenon_cuda_no_host_memory(fault);
  p->device = device;
  int32_t code = read_image(p, image, fault);
  if (code == TENON_OK) code = tenon_cuda_enter(device, fault);
  if (code != TENON_OK) return destroy(p, 0), code;
  code = load_code(p, image, fault);
  if (code == TENON_OK) code = load_data(p, fault);
  if (code != TENON_OK) destroy(p, !device->lost);
  tenon_cuda_leave(device);
  if (code == TENON_OK) *program = p;
  return code;
}

uint64_t tenon_cuda_code_bytes(const tenon_cuda_program* p) { return p->code_bytes; }

const char* tenon_cuda_no_graph(const tenon_cuda_program* p) { return p->no_graph != NULL ? p->no_graph : ""; }

int64_t tenon_cuda_arena_bytes(const tenon_cuda_program* p, const int64_t* dims) {
  const tenon_launch_list* l = &p->list;
  if (l->free_symbols != 0 && dims == NULL) return TENON_BAD_CALL;
  int64_t* room = (int64_t*)zeroed(l->symbol_count + 2 * l->buffer_count, sizeof *room);
  if (room == NULL) return TENON_NO_MEMORY;
  int64_t bytes = tenon_list_values(l, dims, room);
  if (bytes == TENON_OK)
    bytes = tenon_list_layout(l, room, room + l->symbol_count, room + l->symbol_count + l->buffer_count);
  free(room);
  return bytes;
}
