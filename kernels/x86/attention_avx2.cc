// SPDX-License-Identifier: MIT
// attention_avx2: six rows by 16 tokens or columns, the sums in 12 registers of 16; of q8 two rows,
// the sums in 8.
#include "kernels/attention_q8_inl.h"
#include "kernels/variants.h"
#include "kernels/x86/avx2_inl.h"
#include "kernels/x86/lanes_avx2.h"

namespace tern {
namespace {

// vpmaddubsw adds two products, at most 2 * 255 * 63 = 32,130 < 32,768 in magnitude, so nothing
// saturates; vpmaddwd widens the sum at once.
struct Avx2Sums {
  using Codes = Rows;
  Rows v;

  static Codes Load(const uint8_t* tile) { return LoadRows(tile); }
  static Avx2Sums Begin(int32_t x_sum) { return {SetRows(-x_sum)}; }
  void Add(const Codes& codes, const int8_t* x) {
    const __m256i x4 = Broadcast4(x), ones = _mm256_set1_epi16(1);
    v = Add32(v, {_mm256_madd_epi16(_mm256_maddubs_epi16(codes.low, x4), ones),
                  _mm256_madd_epi16(_mm256_maddubs_epi16(codes.high, x4), ones)});
  }
  static Avx2Lanes Join(const Avx2Sums& high, const Avx2Sums& low) {
    return {JoinEight(high.v.low, low.v.low), JoinEight(high.v.high, low.v.high)};
  }

 private:
  static __m256 JoinEight(__m256i high, __m256i low) {
    static_assert(kQ8DigitBase == (1 << 7) - 1);
    const __m256i times_base = _mm256_sub_epi32(_mm256_slli_epi32(high, 7), high);
    return _mm256_cvtepi32_ps(_mm256_add_epi32(times_base, low));
  }
};

}  // namespace

constinit const AttentionKernel kAttentionAvx2 = {
    .name = "attention_avx2",
    .isa = Isa::kAvx2,
    .run_f16 = RunAttention<Avx2Lanes, 6, 1, uint16_t>,
    .run_f32 = RunAttention<Avx2Lanes, 6, 1, float>,
    .run_q8 = RunAttentionQ8<Avx2Lanes, Avx2Sums, 2, 1>,
    .merge = MergeSums<Avx2Lanes>};

}  // namespace tern
