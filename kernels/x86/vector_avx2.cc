// SPDX-License-Identifier: MIT
// vector_avx2.
#include "kernels/variants.h"
#include "kernels/vector_ops_inl.h"
#include "kernels/x86/lanes_avx2.h"

namespace tern {

constinit const VectorOps kVectorAvx2 = MakeVectorOps<Avx2Lanes>("vector_avx2", Isa::kAvx2);

}  // namespace tern
