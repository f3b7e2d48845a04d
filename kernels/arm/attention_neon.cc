// SPDX-License-Identifier: MIT
// attention_neon: five rows by 16 tokens or columns, the sums in 20 registers of 32: those of six
// rows are spilled.
#include "kernels/arm/lanes_neon.h"
#include "kernels/attention_inl.h"
#include "kernels/variants.h"

namespace tern {

constinit const AttentionKernel kAttentionNeon = {
    .name = "attention_neon",
    .isa = Isa::kNeon,
    .run_f16 = RunAttention<NeonLanes, 5, 1, uint16_t>,
    .run_f32 = RunAttention<NeonLanes, 5, 1, float>,
    .merge = MergeSums<NeonLanes>};

}  // namespace tern
