// SPDX-License-Identifier: MIT
#include "kernels/variants.h"
#include "kernels/x86/avxvnni_inl.h"
#include "kernels/x86/probe_read_inl.h"

namespace tern {
namespace {

constexpr int kSums = 12;  // more than latency times throughput of vpdpbusd on any CPU so far
constexpr size_t kMacs = kSums * sizeof(__m256i);

uint32_t Dot(size_t rounds) {
  const __m256i ones = _mm256_set1_epi8(1);
  __m256i sums[kSums];
  for (__m256i& lanes : sums) lanes = _mm256_setzero_si256();
  for (size_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sums[i] = VnniProducts::Add(sums[i], ones, ones);
  }
  for (int i = 1; i < kSums; ++i) sums[0] = _mm256_add_epi32(sums[0], sums[i]);
  alignas(32) uint32_t lanes[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sums[0]);
  uint32_t sum = 0;
  for (const uint32_t lane : lanes) sum += lane;
  return sum;
}

}  // namespace

constinit const ProbeKernel kProbeAvxVnni = {"probe_avxvnni", Isa::kAvxVnni, kMacs, Dot, Read};

}  // namespace tern
