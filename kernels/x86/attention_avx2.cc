// SPDX-License-Identifier: MIT
// attention_avx2: six rows by 16 tokens or columns, the sums in 12 registers of 16; of q8 two rows,
// the sums in 8.
#include "kernels/variants.h"
#include "kernels/x86/attention_avx2_inl.h"

namespace tern {
namespace {

// vpmaddubsw adds two products, at most 2 * 255 * 63 = 32,130 < 32,768 in magnitude, so nothing
// saturates; vpmaddwd widens the sum at once.
struct WidenedProducts {
  static __m256i Add(__m256i sums, __m256i codes, __m256i x4) {
    const __m256i ones = _mm256_set1_epi16(1);
    return _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_maddubs_epi16(codes, x4), ones));
  }
};

}  // namespace

constinit const AttentionKernel kAttentionAvx2 = {
    .name = "attention_avx2",
    .isa = Isa::kAvx2,
    .run_f16 = RunAttention<Avx2Lanes, 6, 1, uint16_t>,
    .run_f32 = RunAttention<Avx2Lanes, 6, 1, float>,
    .run_q8 = RunAttentionQ8<Avx2Lanes, Avx2Q8Sums<WidenedProducts>, 2, 1>,
    .merge = MergeSums<Avx2Lanes>};

}  // namespace tern
