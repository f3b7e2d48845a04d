// SPDX-License-Identifier: MIT
// ProbeKernel::read by vectors of 32 bytes. Included by exactly the probe files whose instruction
// set has no wider ones, in whose anonymous namespaces it lives: see vector_ops_inl.h.
#ifndef TERN_KERNELS_X86_PROBE_READ_INL_H_
#define TERN_KERNELS_X86_PROBE_READ_INL_H_

#include <immintrin.h>

#include "kernels/probe.h"

namespace tern {
namespace {

constexpr size_t kStreams = 4;
constexpr size_t kLoads = kProbeBlockBytes / kStreams / sizeof(__m256i);  // of a stream at once

// Several streams: one alone does not keep enough cache lines on their way.
uint64_t Read(const uint8_t* data, size_t bytes) {
  const size_t stream_bytes = bytes / kStreams;
  __m256i all[kLoads];
  for (__m256i& lanes : all) lanes = _mm256_setzero_si256();
  for (size_t at = 0; at < stream_bytes; at += kLoads * sizeof(__m256i)) {
    for (size_t stream = 0; stream < kStreams; ++stream) {
      const auto* from = reinterpret_cast<const __m256i*>(data + stream * stream_bytes + at);
#pragma GCC unroll 8
      for (size_t i = 0; i < kLoads; ++i) {
        all[i] = _mm256_xor_si256(all[i], _mm256_loadu_si256(from + i));
      }
    }
  }
  __m256i folded = all[0];
  for (size_t i = 1; i < kLoads; ++i) folded = _mm256_xor_si256(folded, all[i]);
  alignas(32) uint64_t words[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(words), folded);
  return words[0] ^ words[1] ^ words[2] ^ words[3];
}

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_X86_PROBE_READ_INL_H_
