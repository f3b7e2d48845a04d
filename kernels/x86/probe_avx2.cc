// SPDX-License-Identifier: MIT
#include <immintrin.h>

#include "kernels/variants.h"
#include "kernels/x86/probe_read_inl.h"

namespace tern {
namespace {

// As in gemm_t2r16_avx2.cc: products of pairs added in 16 bits, widened every so many steps.
constexpr int kSums = 6;  // with their products, in registers
constexpr int kSteps = 64;
constexpr size_t kMacs = size_t{kSums} * kSteps * sizeof(__m256i);

uint32_t FoldInt32(__m256i x) {
  alignas(32) uint32_t lanes[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), x);
  uint32_t sum = 0;
  for (const uint32_t lane : lanes) sum += lane;
  return sum;
}

uint32_t Dot(size_t rounds) {
  __m256i codes = _mm256_set1_epi8(1);
  const __m256i x = _mm256_set1_epi8(1);
  __m256i sums = _mm256_setzero_si256();
  for (size_t round = 0; round < rounds; ++round) {
    __m256i pairs[kSums];
    for (__m256i& lanes : pairs) lanes = _mm256_setzero_si256();
    for (int step = 0; step < kSteps; ++step) {
#pragma GCC unroll 6
      for (int i = 0; i < kSums; ++i) {
        asm volatile("" : "+x"(codes));  // or the product would be computed once
        pairs[i] = _mm256_add_epi16(pairs[i], _mm256_maddubs_epi16(codes, x));
      }
    }
    for (const __m256i& lanes : pairs) {
      sums = _mm256_add_epi32(sums, _mm256_madd_epi16(lanes, _mm256_set1_epi16(1)));
    }
  }
  return FoldInt32(sums);
}

}  // namespace

constinit const ProbeKernel kProbeAvx2 = {"probe_avx2", Isa::kAvx2, kMacs, Dot, Read};

}  // namespace tern
