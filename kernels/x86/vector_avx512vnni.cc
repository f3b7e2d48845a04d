// SPDX-License-Identifier: MIT
// vector_avx512vnni.
#include "kernels/variants.h"
#include "kernels/vector_ops_inl.h"
#include "kernels/x86/lanes_avx512.h"

namespace tern {

constinit const VectorOps kVectorAvx512Vnni =
    MakeVectorOps<Avx512Lanes>("vector_avx512vnni", Isa::kAvx512Vnni);

}  // namespace tern
