// SPDX-License-Identifier: MIT
// Row groups as pairs of 32-byte vectors: what kernels of AVX2 and AVX-VNNI share. Included by such
// files alone, in whose anonymous namespaces it lives: see vector_ops_inl.h.
#ifndef TERN_KERNELS_X86_AVX2_INL_H_
#define TERN_KERNELS_X86_AVX2_INL_H_

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace tern {
namespace {

// Of 16 rows: 0 to 7 and 8 to 15. Both halves take each step of a computation together, as one
// alone waits for its own results.
struct Rows {
  __m256i low;
  __m256i high;
};

inline __m256i Load(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

inline Rows LoadRows(const void* from) {
  return {Load(from), Load(static_cast<const char*>(from) + sizeof(__m256i))};
}

inline void StoreRows(Rows rows, void* to) {
  _mm256_storeu_si256(static_cast<__m256i*>(to), rows.low);
  _mm256_storeu_si256(static_cast<__m256i*>(to) + 1, rows.high);
}

// Columns x[0..3], for every row.
inline __m256i Broadcast4(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return _mm256_set1_epi32(four);
}

inline Rows SetRows(int32_t value) { return {_mm256_set1_epi32(value), _mm256_set1_epi32(value)}; }

inline Rows Add32(Rows a, Rows b) {
  return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
}

// Products of codes, at most 2, and int8, summed in 16 bits, two lanes a row. vpmaddubsw adds two
// products, at most 2 * 2 * 127 = 508 in magnitude; 64 of these make 32,512 < 32,768. Then the
// lanes are widened.
struct Avx2Products {
  static constexpr size_t kColsBeforeWidening = 64 * 4;
  static __m256i Add(__m256i sums, __m256i codes, __m256i x4) {
    return _mm256_add_epi16(sums, _mm256_maddubs_epi16(codes, x4));
  }
  static Rows Widen(Rows sums) {
    const __m256i ones = _mm256_set1_epi16(1);
    return {_mm256_madd_epi16(sums.low, ones), _mm256_madd_epi16(sums.high, ones)};
  }
};

// Adds the products with columns x[0..3] to `sums`. The empty statement has GCC 12 add where it
// stands: left alone it multiplies for many sums first and then has no registers for these, which
// takes a third longer.
template <typename Products>
inline void AddProducts(Rows& sums, Rows codes, const int8_t* x) {
  const __m256i x4 = Broadcast4(x);
  sums.low = Products::Add(sums.low, codes.low, x4);
  sums.high = Products::Add(sums.high, codes.high, x4);
  asm("" : "+x"(sums.low), "+x"(sums.high));
}

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_X86_AVX2_INL_H_
