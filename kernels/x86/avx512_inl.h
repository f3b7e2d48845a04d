// SPDX-License-Identifier: MIT
// What kernels of AVX-512 share. Included by such files alone, in whose anonymous namespaces it
// lives: see vector_ops_inl.h.
#ifndef TERN_KERNELS_X86_AVX512_INL_H_
#define TERN_KERNELS_X86_AVX512_INL_H_

#include <immintrin.h>

#include <cstdint>

namespace tern {
namespace {

// Columns x[0..3], for every row.
inline __m512i Broadcast4(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return _mm512_set1_epi32(four);
}

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_X86_AVX512_INL_H_
