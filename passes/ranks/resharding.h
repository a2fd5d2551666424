// From one way in which a value lies over ranks to another: rank_slice, all_to_all, all_gather; and the joins of what ranks have of a
// result. Each collective says in its place why it is there.
#pragma once

#include "tenon/ir/graph/build.h"
#include "tenon/passes/ranks/lying.h"

namespace tenon::passes {

// Who asks for it, in words: "matmul at net.cc:12:3".
struct Reason {
  std::string who;
  std::string why;  // behind who
};

// The extents of one rank's part.
Shape part_of(Shape whole, const Cuts& cuts, std::span<const MeshAxis> mesh);

// How many bytes a rank receives, about, for a value of that type.
int64_t bytes_moved(const ir::Type& whole, Cuts have, const Cuts& want, std::span<const MeshAxis> mesh);
// x, a rank's part of `whole`, cut as `have`, cut as `want`.
ir::Value relaid(ir::Value x, const Shape& whole, Cuts have, const Cuts& want, std::span<const MeshAxis> mesh,
                 const Reason& reason);
// What all ranks along an axis have of x, joined by a collective; with a dimension, each gets its part along that.
ir::Value joined(ir::Value x, ir::Op collective, const MeshAxis& axis, const Reason& reason);
ir::Value sum_scattered(ir::Value x, size_t dimension, const MeshAxis& axis, const Reason& reason);

}  // namespace tenon::passes
