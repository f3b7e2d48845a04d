// SPDX-License-Identifier: MIT
// attention_avx2: four rows by 16 tokens or columns, the sums in eight registers of 16.
#include "kernels/attention_inl.h"
#include "kernels/variants.h"
#include "kernels/x86/lanes_avx2.h"

namespace tern {

constinit const AttentionKernel kAttentionAvx2 = {
    .name = "attention_avx2",
    .isa = Isa::kAvx2,
    .run_f16 = RunAttention<Avx2Lanes, 6, 1, uint16_t>,
    .run_f32 = RunAttention<Avx2Lanes, 6, 1, float>,
    .merge = MergeSums<Avx2Lanes>};

}  // namespace tern
