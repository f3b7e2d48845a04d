// SPDX-License-Identifier: MIT
// screen_q8r16_avx512vnni: a tile is one vector of codes, ready to multiply. A 32-bit lane holds at
// most 255 * 63 * cols.
#include "kernels/screen.h"
#include "kernels/variants.h"
#include "kernels/x86/gemm_avx512_inl.h"

namespace tern {
namespace {

struct Q8R16Tile {
  static constexpr size_t kCols = kQ8R16Cols;
  static constexpr bool kIsStored = true;
  static void Codes(const uint8_t* bytes, __m512i* codes) { codes[0] = _mm512_loadu_si512(bytes); }
};

}  // namespace

void ScreenQ8R16Avx512Vnni(const GemmArgs& args) { RunGemm<Q8R16Tile>(args); }

}  // namespace tern
