// SPDX-License-Identifier: MIT
#include <immintrin.h>

#include "kernels/variants.h"

namespace tern {
namespace {

constexpr int kSums = 16;  // more than latency times throughput of vpdpbusd on any CPU so far
constexpr size_t kMacs = kSums * sizeof(__m512i);
constexpr size_t kStreams = 4;
constexpr size_t kLoads = kProbeBlockBytes / kStreams / sizeof(__m512i);  // of a stream at once

uint32_t Dot(size_t rounds) {
  const __m512i codes = _mm512_set1_epi8(1);
  const __m512i x = _mm512_set1_epi8(1);
  __m512i sums[kSums];
  for (__m512i& lanes : sums) lanes = _mm512_setzero_si512();
  for (size_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (int i = 0; i < kSums; ++i) sums[i] = _mm512_dpbusd_epi32(sums[i], codes, x);
  }
  for (int i = 1; i < kSums; ++i) sums[0] = _mm512_add_epi32(sums[0], sums[i]);
  return static_cast<uint32_t>(_mm512_reduce_add_epi32(sums[0]));
}

// Several streams: one alone does not keep enough cache lines on their way.
uint64_t Read(const uint8_t* data, size_t bytes) {
  const size_t stream_bytes = bytes / kStreams;
  __m512i all[kLoads];
  for (__m512i& lanes : all) lanes = _mm512_setzero_si512();
  for (size_t at = 0; at < stream_bytes; at += kLoads * sizeof(__m512i)) {
    for (size_t stream = 0; stream < kStreams; ++stream) {
      const uint8_t* from = data + stream * stream_bytes + at;
#pragma GCC unroll 4
      for (size_t i = 0; i < kLoads; ++i) {
        all[i] = _mm512_xor_si512(all[i], _mm512_loadu_si512(from + i * sizeof(__m512i)));
      }
    }
  }
  __m512i folded = all[0];
  for (size_t i = 1; i < kLoads; ++i) folded = _mm512_xor_si512(folded, all[i]);
  alignas(64) uint64_t words[8];
  _mm512_store_si512(words, folded);
  uint64_t result = 0;
  for (const uint64_t word : words) result ^= word;
  return result;
}

}  // namespace

constinit const ProbeKernel kProbeAvx512Vnni = {"probe_avx512vnni", Isa::kAvx512Vnni, kMacs, Dot,
                                                Read};

}  // namespace tern
