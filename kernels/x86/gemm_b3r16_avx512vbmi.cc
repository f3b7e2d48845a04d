// SPDX-License-Identifier: MIT
// gemm_b3r16_avx512vbmi.
#include "kernels/variants.h"
#include "kernels/x86/b3r16_avx512_inl.h"
#include "kernels/x86/gemm_avx512_inl.h"

namespace tern {
namespace {

struct B3R16Tile {
  static constexpr size_t kCols = kB3R16Cols;
  static void Codes(const uint8_t* bytes, __m512i* codes) {
    const B3R16Vectors tile = UnpackB3R16(bytes);
    const __m512i low_bits = _mm512_set1_epi8(3);
    codes[0] = _mm512_and_si512(tile.four, low_bits);
    codes[1] = _mm512_and_si512(_mm512_srli_epi16(tile.four, 2), low_bits);
    codes[2] = _mm512_and_si512(_mm512_srli_epi16(tile.four, 4), low_bits);
    codes[3] = _mm512_and_si512(_mm512_srli_epi16(tile.four, 6), low_bits);
    codes[4] = _mm512_srli_epi16(tile.fifth, 6);  // no bit enters from the byte above: it has none
  }
};

}  // namespace

void GemmB3R16Avx512Vbmi(const GemmArgs& args) { RunGemm<B3R16Tile>(args); }

}  // namespace tern
