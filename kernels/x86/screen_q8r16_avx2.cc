// SPDX-License-Identifier: MIT
// screen_q8r16_avx2.
#include "kernels/variants.h"
#include "kernels/x86/screen_avx2_inl.h"

namespace tern {
namespace {

// vpmaddubsw adds two products, at most 2 * 255 * 63 = 32,130 < 32,768 in magnitude, so nothing
// saturates; vpmaddwd widens the sum at once.
struct WideProducts {
  static __m256i Add(__m256i sums, __m256i codes, __m256i x4) {
    const __m256i pairs = _mm256_maddubs_epi16(codes, x4);
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
};

}  // namespace

void ScreenQ8R16Avx2(const GemmArgs& args) { RunScreen<WideProducts>(args); }

}  // namespace tern
