// SPDX-License-Identifier: MIT
// The probes of 64-bit ARM but for their one instruction, Op(sums, x, y), which adds
// products of int8 to lanes of 32 bits. Included by exactly the probe_neon*.cc files, in whose
// anonymous namespaces it lives: see vector_ops_inl.h.
#ifndef TERN_KERNELS_ARM_PROBE_NEON_INL_H_
#define TERN_KERNELS_ARM_PROBE_NEON_INL_H_

#include <arm_neon.h>

#include "kernels/probe.h"

namespace tern {
namespace {

constexpr int kSums = 16;  // at least latency times throughput of the instruction
constexpr size_t kStreams = 4;
constexpr size_t kLoads = kProbeBlockBytes / kStreams / sizeof(uint64x2_t);  // of a stream at once

template <int32x4_t (*Op)(int32x4_t sums, int8x16_t x, int8x16_t y)>
uint32_t Dot(size_t rounds) {
  const int8x16_t ones = vdupq_n_s8(1);
  int32x4_t sums[kSums];
  for (int32x4_t& lanes : sums) lanes = vdupq_n_s32(0);
  for (size_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (int i = 0; i < kSums; ++i) sums[i] = Op(sums[i], ones, ones);
  }
  for (int i = 1; i < kSums; ++i) sums[0] = vaddq_s32(sums[0], sums[i]);
  return static_cast<uint32_t>(vaddvq_s32(sums[0]));
}

// Several streams: one alone does not keep enough cache lines on their way.
uint64_t Read(const uint8_t* data, size_t bytes) {
  const size_t stream_bytes = bytes / kStreams;
  uint64x2_t all[kLoads];
  for (uint64x2_t& lanes : all) lanes = vdupq_n_u64(0);
  for (size_t at = 0; at < stream_bytes; at += kLoads * sizeof(uint64x2_t)) {
    for (size_t stream = 0; stream < kStreams; ++stream) {
      const uint8_t* from = data + stream * stream_bytes + at;
#pragma GCC unroll 16
      for (size_t i = 0; i < kLoads; ++i) {
        all[i] = veorq_u64(all[i], vreinterpretq_u64_u8(vld1q_u8(from + i * sizeof(uint64x2_t))));
      }
    }
  }
  for (size_t i = 1; i < kLoads; ++i) all[0] = veorq_u64(all[0], all[i]);
  return vgetq_lane_u64(all[0], 0) ^ vgetq_lane_u64(all[0], 1);
}

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_ARM_PROBE_NEON_INL_H_
