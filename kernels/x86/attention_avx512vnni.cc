// SPDX-License-Identifier: MIT
// attention_avx512vnni: eight rows by 32 tokens or columns, the sums in 16 registers of 32; of q8
// four rows, as each has two vectors of digits. Takes AVX-512 F and VNNI only.
#include "kernels/attention_q8_inl.h"
#include "kernels/variants.h"
#include "kernels/x86/avx512_inl.h"
#include "kernels/x86/lanes_avx512.h"

namespace tern {
namespace {

// A lane holds at most 255 * 63 for each column or token.
struct Avx512Sums {
  using Codes = __m512i;
  __m512i v;

  static Codes Load(const uint8_t* tile) { return _mm512_loadu_si512(tile); }
  static Avx512Sums Begin(int32_t x_sum) { return {_mm512_set1_epi32(-x_sum)}; }
  void Add(Codes codes, const int8_t* x) { v = _mm512_dpbusd_epi32(v, codes, Broadcast4(x)); }
  static Avx512Lanes Join(Avx512Sums high, Avx512Sums low) {
    static_assert(kQ8DigitBase == (1 << 7) - 1);
    const __m512i times_base = _mm512_sub_epi32(_mm512_slli_epi32(high.v, 7), high.v);
    return {_mm512_cvtepi32_ps(_mm512_add_epi32(times_base, low.v))};
  }
};

}  // namespace

constinit const AttentionKernel kAttentionAvx512Vnni = {
    .name = "attention_avx512vnni",
    .isa = Isa::kAvx512Vnni,
    .run_f16 = RunAttention<Avx512Lanes, 8, 2, uint16_t>,
    .run_f32 = RunAttention<Avx512Lanes, 8, 2, float>,
    .run_q8 = RunAttentionQ8<Avx512Lanes, Avx512Sums, 4, 2>,
    .merge = MergeSums<Avx512Lanes>};

}  // namespace tern
