// SPDX-License-Identifier: MIT
// attention_avxvnni: as attention_avx2, but for q8, whose products vpdpbusd adds up.
#include "kernels/variants.h"
#include "kernels/x86/attention_avx2_inl.h"
#include "kernels/x86/avxvnni_inl.h"

namespace tern {

constinit const AttentionKernel kAttentionAvxVnni = {
    .name = "attention_avxvnni",
    .isa = Isa::kAvxVnni,
    .run_f16 = RunAttention<Avx2Lanes, 6, 1, uint16_t>,
    .run_f32 = RunAttention<Avx2Lanes, 6, 1, float>,
    .run_q8 = RunAttentionQ8<Avx2Lanes, Avx2Q8Sums<VnniProducts>, 2, 1>,
    .merge = MergeSums<Avx2Lanes>};

}  // namespace tern
