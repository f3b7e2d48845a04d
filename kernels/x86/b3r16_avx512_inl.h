// SPDX-License-Identifier: MIT
// A tile of B3R16 as vectors (AVX-512 VBMI). Included by exactly the *_b3r16_avx512vbmi.cc files,
// in whose anonymous namespaces it lives: see vector_ops_inl.h.
#ifndef TERN_KERNELS_X86_B3R16_AVX512_INL_H_
#define TERN_KERNELS_X86_B3R16_AVX512_INL_H_

#include <immintrin.h>

#include "kernels/b3r16.h"

namespace tern {
namespace {

struct B3R16Vectors {
  __m512i four;   // codes of columns 0..3, 4..7, 8..11, 12..15 from the low bits up, as in T2R16
  __m512i fifth;  // those of columns 16..19, in the upper two bits
};

// Two look-ups of 64 bytes, chosen between by byte >= 192; the fifth digit by arithmetic, as
// another look-up would wait for the same execution port.
B3R16Vectors UnpackB3R16(const uint8_t* bytes) {
  const __m512i tile = _mm512_loadu_si512(bytes);
  const __m512i upper_bits = _mm512_set1_epi8(static_cast<char>(0xC0));
  const __mmask64 is_high = _mm512_cmpge_epu8_mask(tile, upper_bits);
  const __m512i low = _mm512_permutexvar_epi8(tile, _mm512_loadu_si512(kB3R16Tables.low));
  const __m512i four =
      _mm512_mask_permutexvar_epi8(low, is_high, tile, _mm512_loadu_si512(kB3R16Tables.high));
  const __m512i twice = _mm512_add_epi8(tile, tile);
  const __m512i fifth =
      _mm512_mask_sub_epi8(tile, is_high, tile, _mm512_add_epi8(twice, twice));  // -3 * tile
  return {four, _mm512_and_si512(fifth, upper_bits)};
}

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_X86_B3R16_AVX512_INL_H_
