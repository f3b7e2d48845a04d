// SPDX-License-Identifier: MIT
// vpdpbusd on 256-bit vectors: in the encoding of AVX-VNNI, or, where a test compiles a kernel for
// CPUs that have not got that, in AVX-512's. Included by exactly the *_avxvnni.cc files, in whose
// anonymous namespaces it lives: see vector_ops_inl.h.
#ifndef TERN_KERNELS_X86_AVXVNNI_INL_H_
#define TERN_KERNELS_X86_AVXVNNI_INL_H_

#include <immintrin.h>

#include <cstdint>

namespace tern {
namespace {

// Adds to each 32-bit lane the products of its four codes with four activations, exactly.
__m256i AddProducts(__m256i sums, __m256i codes, __m256i x) {
#ifdef __AVXVNNI__
  return _mm256_dpbusd_avx_epi32(sums, codes, x);
#else
  return _mm256_dpbusd_epi32(sums, codes, x);
#endif
}

// Columns x[0..3], for every row.
__m256i Broadcast4(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return _mm256_set1_epi32(four);
}

__m256i Load(const uint8_t* bytes) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
}

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_X86_AVXVNNI_INL_H_
