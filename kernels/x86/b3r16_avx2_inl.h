// SPDX-License-Identifier: MIT
// A tile of B3R16 as vectors of 32 bytes. Included by exactly the *_b3r16_{avx2,avxvnni}.cc files,
// in whose anonymous namespaces it lives: see vector_ops_inl.h.
#ifndef TERN_KERNELS_X86_B3R16_AVX2_INL_H_
#define TERN_KERNELS_X86_B3R16_AVX2_INL_H_

#include <immintrin.h>

#include "kernels/b3r16.h"
#include "kernels/x86/avx2_inl.h"

namespace tern {
namespace {

inline Rows Set8(int byte) {
  const __m256i vector = _mm256_set1_epi8(static_cast<char>(byte));
  return {vector, vector};
}
inline Rows Add8(Rows a, Rows b) {
  return {_mm256_add_epi8(a.low, b.low), _mm256_add_epi8(a.high, b.high)};
}
inline Rows Sub8(Rows a, Rows b) {
  return {_mm256_sub_epi8(a.low, b.low), _mm256_sub_epi8(a.high, b.high)};
}
inline Rows Min8(Rows a, Rows b) {
  return {_mm256_min_epu8(a.low, b.low), _mm256_min_epu8(a.high, b.high)};
}
inline Rows Max8(Rows a, Rows b) {
  return {_mm256_max_epu8(a.low, b.low), _mm256_max_epu8(a.high, b.high)};
}
inline Rows Equal8(Rows a, Rows b) {
  return {_mm256_cmpeq_epi8(a.low, b.low), _mm256_cmpeq_epi8(a.high, b.high)};
}
inline Rows And(Rows a, Rows b) {
  return {_mm256_and_si256(a.low, b.low), _mm256_and_si256(a.high, b.high)};
}

// Bytes shifted right, of which `mask` takes what came from the next byte.
inline Rows ShiftRight8(Rows a, int count, int mask) {
  return And({_mm256_srli_epi16(a.low, count), _mm256_srli_epi16(a.high, count)}, Set8(mask));
}

// By the low four bits; the upper bit must be clear.
inline Rows LookUp(__m128i table, Rows indices) {
  const __m256i twice = _mm256_broadcastsi128_si256(table);
  return {_mm256_shuffle_epi8(twice, indices.low), _mm256_shuffle_epi8(twice, indices.high)};
}

// The upper two bits of the byte, or of -3 times a high one. vpsllw brings up to 3 from the byte
// below, which changes no digit: -3 times a high byte is, modulo 256, at least 13 above the next
// multiple of 64 below it.
inline Rows FifthDigit(Rows bytes, Rows is_high) {
  const Rows shifted = {_mm256_slli_epi16(bytes.low, 2), _mm256_slli_epi16(bytes.high, 2)};
  return ShiftRight8(Sub8(bytes, And(is_high, shifted)), 6, 3);
}

// codes[j] are those of columns 4 j to 4 j + 3. A look-up of 64 entries would be four of vpshufb
// and three blends, so the sum s = d0 + 3 d1 + 9 d2 + 27 d3 is taken apart: what is left when it
// is divided by 9 has d0 and d1, and the rest of it, a multiple of 9 up to 72, has d2 and d3. The
// low four bits of these multiples differ.
[[gnu::always_inline]] inline void UnpackB3R16(const uint8_t* tile, Rows* codes /*[5]*/) {
  const Rows bytes = LoadRows(tile);
  const Rows is_high = Equal8(Max8(bytes, Set8(192)), bytes);
  codes[4] = FifthDigit(bytes, is_high);
  // Of a high byte the low six bits are s - 21 (1 + d4).
  const Rows excess =
      LookUp(_mm_setr_epi8(21, 42, 63, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), codes[4]);
  const Rows sum = Add8(And(bytes, Set8(63)), And(is_high, excess));

  // Modulo 9, or 9 more: 16 h mod 9 and l mod 9 add up to at most 15 for s = 16 h + l up to 80.
  const Rows rest =
      Add8(LookUp(_mm_setr_epi8(0, 7, 5, 3, 1, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
                  ShiftRight8(sum, 4, 15)),
           LookUp(_mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5, 6), sum));
  codes[0] = LookUp(_mm_setr_epi8(0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0), rest);
  codes[1] = LookUp(_mm_setr_epi8(0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 1, 1, 1, 2), rest);

  // rest - 9 wraps to more than rest if that is below 9. The multiples are 0, 9, 18, ... 72: by
  // their low four bits 0, 9, 2, 11, 4, 13, 6, 15, 8.
  const Rows nines = Sub8(sum, Min8(rest, Sub8(rest, Set8(9))));
  codes[2] = LookUp(_mm_setr_epi8(0, 0, 2, 0, 1, 0, 0, 0, 2, 1, 0, 0, 0, 2, 0, 1), nines);
  codes[3] = LookUp(_mm_setr_epi8(0, 0, 0, 0, 1, 0, 2, 0, 2, 0, 0, 1, 0, 1, 0, 2), nines);
}

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_X86_B3R16_AVX2_INL_H_
