// SPDX-License-Identifier: MIT
// group_gemm_t2r16_avx512vnni: one tile is one vector, one row one 32-bit lane.
#include <immintrin.h>

#include "kernels/group_gemm_inl.h"
#include "kernels/variants.h"
#include "kernels/x86/avx512_inl.h"

namespace tern {
namespace {

struct Avx512GroupOps {
  using Tile = __m512i;
  using Codes = __m512i;
  using Sums = __m512i;
  using Floats = __m512;

  static Tile Load(const uint8_t* bytes) { return _mm512_loadu_si512(bytes); }
  static Codes NextCodes(Tile& tile) {
    const Codes codes = _mm512_and_si512(tile, _mm512_set1_epi8(3));
    tile = _mm512_srli_epi16(tile, 2);
    return codes;
  }
  static Floats Zero() { return _mm512_setzero_ps(); }
  static Sums ZeroSums() { return _mm512_setzero_si512(); }
  static Sums Add(Sums sums, Codes codes, const int8_t* x) {
    return _mm512_dpbusd_epi32(sums, codes, Broadcast4(x));
  }
  static Floats AddScaled(Floats out, const Sums* digits, int32_t x_sum, const float* scales) {
    const __m512i base = _mm512_set1_epi32(kWideBase);
    const __m512i upper = _mm512_add_epi32(_mm512_mullo_epi32(digits[0], base), digits[1]);
    const __m512i whole = _mm512_add_epi32(_mm512_mullo_epi32(upper, base), digits[2]);
    const __m512i sum = _mm512_sub_epi32(whole, _mm512_set1_epi32(x_sum));
    return _mm512_add_ps(out, _mm512_mul_ps(_mm512_loadu_ps(scales), _mm512_cvtepi32_ps(sum)));
  }
  static void Store(Floats floats, float* out) { _mm512_storeu_ps(out, floats); }
};

}  // namespace

void GroupGemmT2R16Avx512Vnni(const GroupGemmArgs& args) { RunGroupGemm<Avx512GroupOps, 4>(args); }

}  // namespace tern
