// SPDX-License-Identifier: MIT
// attention_neondotprod: as attention_neon, but of q8 two rows, by dot products, the sums in 16
// registers of 32.
#include "kernels/arm/lanes_neon.h"
#include "kernels/arm/sums_neon.h"
#include "kernels/attention_q8_inl.h"
#include "kernels/variants.h"

namespace tern {
namespace {

struct DotprodSums {
  using Codes = NeonCodes;
  int32x4_t v[4];

  static Codes Load(const uint8_t* tile) { return NeonCodes::Load(tile); }
  static DotprodSums Begin(int32_t /*x_sum*/) {
    DotprodSums sums;
    for (int32x4_t& four : sums.v) four = vdupq_n_s32(0);
    return sums;
  }
  void Add(const Codes& codes, const int8_t* x) {
    const int8x16_t x4 = BroadcastFour(x);
    for (size_t i = 0; i < 4; ++i) v[i] = vdotq_s32(v[i], codes.v[i], x4);
  }
  static NeonLanes Join(const DotprodSums& high, const DotprodSums& low) {
    return {JoinFour(high.v[0], low.v[0]), JoinFour(high.v[1], low.v[1]),
            JoinFour(high.v[2], low.v[2]), JoinFour(high.v[3], low.v[3])};
  }
};

}  // namespace

constinit const AttentionKernel kAttentionNeonDotprod = {
    .name = "attention_neondotprod",
    .isa = Isa::kNeonDotprod,
    .run_f16 = RunAttention<NeonLanes, 5, 1, uint16_t>,
    .run_f32 = RunAttention<NeonLanes, 5, 1, float>,
    .run_q8 = RunAttentionQ8<NeonLanes, DotprodSums, 2, 1>,
    .merge = MergeSums<NeonLanes>};

}  // namespace tern
