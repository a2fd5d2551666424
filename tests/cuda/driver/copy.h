// Copies and fills as work: their ranges are checked when they are asked for, each in one block of the right device, and again
// when they run. Refuses arrays.
#pragma once

#include <memory>

#include "tenon/tests/cuda/driver/state.h"

namespace simulated {

struct Side {
  bool device = false;
  char* at = nullptr;
  size_t pitch = 0;
};
// Rows of `width` bytes.
struct Rows {
  Side to, from;
  size_t width = 0, height = 1;
  std::shared_ptr<std::vector<char>> taken;  // the source's rows, when they were taken at once
};

// to_context and from_context: whose memory each side has to be, where it is a device's.
int check(const Rows& rows, const Context& to_context, const Context& from_context);
// The source's bytes, unless it may be read later; rubbish where the copy will arrive.
void begin(Rows& rows, bool keep_source);
Outcome copy(const Rows& rows);

struct Fill {
  Address at = 0;
  size_t pitch = 0, width = 0, height = 1;  // in elements, of `size` bytes
  unsigned value = 0, size = 1;
};
int check(const Fill& f, const Context& context);
Outcome set(const Fill& f);

// The driver's structures.
struct Memcpy2D {
  size_t from_x, from_y;
  unsigned from_kind;
  const void* from_host;
  Address from_device;
  void* from_array;
  size_t from_pitch;
  size_t to_x, to_y;
  unsigned to_kind;
  void* to_host;
  Address to_device;
  void* to_array;
  size_t to_pitch;
  size_t width, height;
};
struct Memcpy3D {
  size_t from_x, from_y, from_z, from_lod;
  unsigned from_kind;
  const void* from_host;
  Address from_device;
  void *from_array, *reserved0;
  size_t from_pitch, from_height;
  size_t to_x, to_y, to_z, to_lod;
  unsigned to_kind;
  void* to_host;
  Address to_device;
  void *to_array, *reserved1;
  size_t to_pitch, to_height;
  size_t width, height, depth;
};
int rows_of(const Memcpy2D& c, Rows& rows);
int rows_of(const Memcpy3D& c, Rows& rows);

}  // namespace simulated
