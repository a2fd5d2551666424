// tn::dist::constrain: how a tensor of a compiled program lies over the ranks of a mesh. It changes no value. A program that says it
// anywhere is cut into the parts of ranks (passes/ranks/partition.cc): every rank passes the same whole arguments and gets the same
// whole results, and computes its share of what lies between.
#pragma once

#include "tenon/frontend/dist/spec.h"
#include "tenon/frontend/dist/world.h"

namespace tenon::dist {

// x, whose dimensions are cut along the axes of the mesh that the spec names, and whole where it names none; its cotangent lies the
// same. How everything else lies follows: forward from here, and backward to what is read here alone. Outside a program it does
// nothing. Error where the spec does not fit: more dimensions than x has, an axis that the mesh lacks, one named twice, an extent that
// is free or that the axis does not divide.
Tensor constrain(Operand x, const Mesh& mesh, const Spec& spec = {});
// The same inside shard_map, over its mesh: along axes along which x does not differ between ranks.
Tensor constrain(Operand x, const Spec& spec);
// One dimension over the ranks of a group; the others lie as they come.
Tensor constrain(Operand x, const Group& group, int64_t dimension);

}  // namespace tenon::dist
