// The index of a checkpoint: its leaves, whose file has which of their rows, and the digest of each file. Written as JSON that begins
// with the digest of the rest, so that an index is right or refused. Internal to the frontend.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/ir/base/dtype.h"

namespace tenon::dist {

struct StoredPiece {
  int rank = 0;
  int64_t rows = 0;  // behind those of the pieces before
};
struct StoredLeaf {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
  std::vector<StoredPiece> pieces = {};
  int64_t rows() const { return shape.empty() ? 1 : shape[0]; }
  uint64_t bytes() const;
  uint64_t row_bytes() const;
  std::vector<int64_t> piece_shape(int64_t rows) const;
};
struct StoredFile {
  uint64_t bytes = 0;
  std::string digest;  // in hexadecimal digits
};
struct CheckpointIndex {
  int64_t step = 0;
  std::vector<StoredLeaf> leaves;
  std::vector<StoredFile> files;  // by rank
};

// Cuts the leaves, one behind the other, into runs of about as many bytes for each rank. Small leaves stay whole.
void share_out(std::vector<StoredLeaf>& leaves, int ranks);

std::string rank_file(int rank, int ranks);  // rank-0-of-4.safetensors
std::string text_of(const CheckpointIndex& index);
CheckpointIndex parse_index(std::string_view text, const std::string& path);  // Error for what is damaged

}  // namespace tenon::dist
