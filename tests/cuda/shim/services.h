// What a simulated module and the simulated driver know of each other: the driver fills the module's words, and calls its
// kernels; the kernels call the driver's services through a table, for a library that is loaded privately lends no symbols.
// Compiled into both; refuses to include anything, for each module pays for it.
#pragma once

namespace simulated {

struct Index {
  unsigned x, y, z;
};

// What the lanes of a warp do at once. Each lane brings a record that lies on its own stack.
enum class Collective { wait, shuffle, vote, add, least, most, mma_bf16, mma_f16, matrices, matrices_transposed };

struct Shuffle {
  unsigned long long value, result;
  int source;  // lane; one outside the mask gives rubbish
};
struct Vote {  // also the integer reductions
  unsigned value, result;
};
struct Mma {  // d += a b, in the fragments of mma.m16n8k16
  float* d;
  const unsigned *a, *b;
};
struct Matrices {  // four 8x8 matrices of 16-bit elements; this lane knows the address of one row
  unsigned* result;
  const void* row;
};

// line: of the kernel's text, for what is said when threads wait at different places.
struct Services {
  void (*wait_block)(int line);
  void (*collect)(Collective what, unsigned mask, void* record, int line);
  void (*copy)(void* shared, const void* global, bool valid, int line);
  void (*commit_copies)();
  void (*wait_copies)(int groups_left, int line);
  void (*set_condition)(unsigned long long handle, unsigned value);
  void (*fail)(const char* what, int line);
};

struct Parameter {
  unsigned size;
  bool pointer;
};

struct Kernel {
  const char* name;
  void (*call)(void* const* arguments);
  const Parameter* parameters;
  int parameter_count;
  unsigned most_threads;  // 0: not bounded
};

constexpr unsigned module_version = 1;

struct Module {
  unsigned version;
  unsigned bytes_of_services;
  const Services** services;
  Index *thread, *block, *block_extent, *grid_extent;
  void** dynamic_shared;
  char *shared_begin, *shared_end;  // every static shared variable, and nothing that must last
  const Kernel *const *kernels_begin, *const *kernels_end;
};

// Stands behind the image of a module, where its section headers end.
struct Trailer {
  char magic[16];  // "simulated cubin"
  char architecture[16];  // "90a"
  unsigned long long bytes, digest;  // of the image before it
};

inline unsigned long long digest_of(const void* data, unsigned long long bytes) {
  unsigned long long h = 0xcbf29ce484222325ull;
  for (unsigned long long i = 0; i < bytes; ++i)
    h = (h ^ static_cast<const unsigned char*>(data)[i]) * 0x100000001b3ull;
  return h;
}

}  // namespace simulated
