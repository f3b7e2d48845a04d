// SPDX-License-Identifier: MIT
// gemm_t2r16_avx512vnni.
#include "kernels/t2r16.h"
#include "kernels/variants.h"
#include "kernels/x86/gemm_avx512_inl.h"

namespace tern {
namespace {

struct T2R16Tile {
  static constexpr size_t kCols = kT2R16Cols;
  static constexpr bool kIsStored = true;
  static void Codes(const uint8_t* bytes, __m512i* codes) {
    const __m512i tile = _mm512_loadu_si512(bytes);
    const __m512i low_bits = _mm512_set1_epi8(3);
    codes[0] = _mm512_and_si512(tile, low_bits);
    codes[1] = _mm512_and_si512(_mm512_srli_epi16(tile, 2), low_bits);
    codes[2] = _mm512_and_si512(_mm512_srli_epi16(tile, 4), low_bits);
    codes[3] = _mm512_and_si512(_mm512_srli_epi16(tile, 6), low_bits);
  }
};

}  // namespace

void GemmT2R16Avx512Vnni(const GemmArgs& args) { RunGemm<T2R16Tile>(args); }

}  // namespace tern
