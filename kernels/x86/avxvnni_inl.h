// SPDX-License-Identifier: MIT
// vpdpbusd on 256-bit vectors: in the encoding of AVX-VNNI, or, where a test compiles a kernel for
// CPUs that have not got that, in AVX-512's. Included by exactly the *_avxvnni.cc files, in whose
// anonymous namespaces it lives: see vector_ops_inl.h.
#ifndef TERN_KERNELS_X86_AVXVNNI_INL_H_
#define TERN_KERNELS_X86_AVXVNNI_INL_H_

#include "kernels/x86/avx2_inl.h"

namespace tern {
namespace {

// As Avx2Products, in 32 bits: a lane takes at most 254 a column, of the 500,000 that there may be.
struct VnniProducts {
  static constexpr size_t kColsBeforeWidening = 500'000;
  static __m256i Add(__m256i sums, __m256i codes, __m256i x4) {
#ifdef __AVXVNNI__
    return _mm256_dpbusd_avx_epi32(sums, codes, x4);
#else
    return _mm256_dpbusd_epi32(sums, codes, x4);
#endif
  }
  static Rows Widen(Rows sums) { return sums; }
};

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_X86_AVXVNNI_INL_H_
