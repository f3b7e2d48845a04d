// SPDX-License-Identifier: MIT
// attention_avx512vnni: eight rows by 32 tokens or columns, the sums in 16 registers of 32. Takes
// AVX-512 F only.
#include "kernels/attention_inl.h"
#include "kernels/variants.h"
#include "kernels/x86/lanes_avx512.h"

namespace tern {

constinit const AttentionKernel kAttentionAvx512Vnni = {
    .name = "attention_avx512vnni",
    .isa = Isa::kAvx512Vnni,
    .run_f16 = RunAttention<Avx512Lanes, 8, 2, uint16_t>,
    .run_f32 = RunAttention<Avx512Lanes, 8, 2, float>,
    .merge = MergeSums<Avx512Lanes>};

}  // namespace tern
