// What became of a kernel: what ptxas says of it in the compiler's log, and what its machine code does, counted from the image.
// The image is an ELF file of 64 bits whose sections .text.NAME hold instructions of 16 bytes, the opcode in the lowest 12 bits;
// which opcode is which was found by compiling what differs in one instruction. The tests hold the renderer's promises against it:
// no local memory, accesses of 16 bytes. Refuses to disassemble; whatever is no such file gives nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/codegen/codegen.h"

namespace tenon::codegen {

// Accesses of one kind by their width in bits; narrower ones count as 32.
struct CubinAccesses {
  int bits32 = 0, bits64 = 0, bits128 = 0;
  int all() const { return bits32 + bits64 + bits128; }
};

struct CubinCode {
  std::string name;  // of the kernel
  int instructions = 0;
  CubinAccesses loads, stores;  // of global memory
  int shared_loads = 0, shared_stores = 0, local_loads = 0, local_stores = 0;
  int special = 0;  // MUFU: approximations by the special function unit
  int calls = 0, matrix = 0, group_matrix = 0;  // CALL, HMMA, HGMMA
  int shuffles = 0, barriers = 0;
};

std::optional<std::vector<CubinCode>> read_cubin(std::string_view image);
std::vector<CubinKernel> read_ptxas_log(std::string_view log);

}  // namespace tenon::codegen
