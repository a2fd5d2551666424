// Ranges, rows, and the driver's structures for them.
#include "tenon/tests/cuda/driver/copy.h"

#include <cstring>

namespace simulated {
namespace {

constexpr unsigned rubbish_word = 0x7ffb7ffb;

size_t span(const Side& side, size_t width, size_t height) { return (height - 1) * side.pitch + width; }

int check(const Side& side, const Context& context, size_t width, size_t height) {
  const auto address = reinterpret_cast<Address>(side.at);
  const int device = device_of(address);
  if (!side.device) return side.at && device < 0 ? success : invalid_value;
  if (device != context.device) return invalid_value;
  return memory_of(device).find(address, span(side, width, height)) ? success : invalid_value;
}

// A block's life may have ended since the copy was asked for, or not have begun.
bool lives(const Side& side, size_t width, size_t height) {
  if (!side.device) return true;
  const auto address = reinterpret_cast<Address>(side.at);
  const Block* b = memory_of(device_of(address)).find(address, span(side, width, height));
  return b && b->begun;
}

int side_of(unsigned kind, const void* host, Address device, void* array, Side& side, size_t offset) {
  if (array || kind < 1 || kind > 4 || kind == 3) return invalid_value;
  side.device = kind == 2 || (kind == 4 && device_of(device) >= 0);
  side.at = (kind == 1 ? static_cast<char*>(const_cast<void*>(host)) : reinterpret_cast<char*>(device)) + offset;
  return success;
}

}  // namespace

int check(const Rows& rows, const Context& to_context, const Context& from_context) {
  if (rows.width == 0 || rows.height == 0) return success;
  if (rows.height > 1 && (rows.to.pitch < rows.width || rows.from.pitch < rows.width)) return invalid_value;
  if (const int error = check(rows.to, to_context, rows.width, rows.height)) return error;
  return check(rows.from, from_context, rows.width, rows.height);
}

void begin(Rows& rows, bool keep_source) {
  if (rows.width == 0 || rows.height == 0) return;
  if (!rows.from.device && !keep_source && !is_pinned(rows.from.at, span(rows.from, rows.width, rows.height))) {
    rows.taken = std::make_shared<std::vector<char>>(rows.width * rows.height);
    for (size_t r = 0; r < rows.height; ++r)
      std::memcpy(rows.taken->data() + r * rows.width, rows.from.at + r * rows.from.pitch, rows.width);
  }
  if (rows.to.device || !rows.from.device) return;
  const auto at = reinterpret_cast<uintptr_t>(rows.to.at);
  for (const auto& [from, bytes] : state().to_be_read)  // an earlier copy reads from there first, which is no mistake
    if (at < from + bytes && from < at + span(rows.to, rows.width, rows.height)) return;
  for (size_t r = 0; r < rows.height; ++r) fill(rows.to.at + r * rows.to.pitch, rows.width, rubbish_word);
}

Outcome copy(const Rows& rows) {
  if (rows.width == 0 || rows.height == 0) return {};
  if (!lives(rows.to, rows.width, rows.height) || !lives(rows.from, rows.width, rows.height))
    return {illegal_address, "a copy of " + std::to_string(rows.width * rows.height) +
                                 " bytes runs before its memory's allocation in stream order, or after its end"};
  ++state().copies_run;
  for (size_t r = 0; r < rows.height; ++r)
    std::memmove(rows.to.at + r * rows.to.pitch,
                 rows.taken ? rows.taken->data() + r * rows.width : rows.from.at + r * rows.from.pitch, rows.width);
  return {};
}

int check(const Fill& f, const Context& context) {
  if (f.width == 0 || f.height == 0) return success;
  if ((f.size != 1 && f.size != 2 && f.size != 4) || f.at % f.size != 0) return invalid_value;
  if (f.height > 1 && f.pitch < f.width * f.size) return invalid_value;
  return check({true, reinterpret_cast<char*>(f.at), f.pitch}, context, f.width * f.size, f.height);
}

Outcome set(const Fill& f) {
  if (f.width == 0 || f.height == 0) return {};
  const Side to = {true, reinterpret_cast<char*>(f.at), f.pitch};
  if (!lives(to, f.width * f.size, f.height))
    return {illegal_address, "memory is set outside its life in stream order"};
  ++state().sets_run;
  for (size_t r = 0; r < f.height; ++r)
    for (size_t i = 0; i < f.width; ++i) std::memcpy(to.at + r * f.pitch + i * f.size, &f.value, f.size);
  return {};
}

int rows_of(const Memcpy2D& c, Rows& rows) {
  rows.width = c.width, rows.height = c.height;
  rows.from.pitch = c.from_pitch ? c.from_pitch : c.width;
  rows.to.pitch = c.to_pitch ? c.to_pitch : c.width;
  if (const int error = side_of(c.from_kind, c.from_host, c.from_device, c.from_array, rows.from,
                                c.from_y * rows.from.pitch + c.from_x))
    return error;
  return side_of(c.to_kind, c.to_host, c.to_device, c.to_array, rows.to, c.to_y * rows.to.pitch + c.to_x);
}

int rows_of(const Memcpy3D& c, Rows& rows) {
  if (c.from_lod || c.to_lod || c.from_z || c.to_z || c.depth > 1) return not_supported;
  if (c.depth == 0) return rows.width = 0, success;
  return rows_of(Memcpy2D{c.from_x, c.from_y, c.from_kind, c.from_host, c.from_device, c.from_array, c.from_pitch,
                          c.to_x, c.to_y, c.to_kind, c.to_host, c.to_device, c.to_array, c.to_pitch, c.width, c.height},
                 rows);
}

}  // namespace simulated
