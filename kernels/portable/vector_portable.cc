// SPDX-License-Identifier: MIT
// vector_portable.
#include "kernels/portable/lanes_portable.h"
#include "kernels/variants.h"
#include "kernels/vector_ops_inl.h"

namespace tern {

constinit const VectorOps kVectorPortable =
    MakeVectorOps<PortableLanes>("vector_portable", Isa::kPortable);

}  // namespace tern
