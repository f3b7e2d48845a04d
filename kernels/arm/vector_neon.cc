// SPDX-License-Identifier: MIT
// vector_neon.
#include "kernels/arm/lanes_neon.h"
#include "kernels/variants.h"
#include "kernels/vector_ops_inl.h"

namespace tern {

constinit const VectorOps kVectorNeon = MakeVectorOps<NeonLanes>("vector_neon", Isa::kNeon);

}  // namespace tern
