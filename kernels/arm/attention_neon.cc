// SPDX-License-Identifier: MIT
// attention_neon: five rows by 16 tokens or columns, the sums in 20 registers of 32; of q8 one row,
// the sums in 16.
#include "kernels/arm/lanes_neon.h"
#include "kernels/arm/sums_neon.h"
#include "kernels/attention_q8_inl.h"
#include "kernels/variants.h"

namespace tern {
namespace {

// Products of 16 bits, at most 128 * 63 = 8,064 in magnitude, are added by pairs to sums of 32.
struct NeonSums {
  using Codes = NeonCodes;
  int32x4_t low[4];   // of each vector of codes: lanes 0 and 1, each of places 0, 1 and 2, 3
  int32x4_t high[4];  // lanes 2 and 3

  static Codes Load(const uint8_t* tile) { return NeonCodes::Load(tile); }
  static NeonSums Begin(int32_t /*x_sum*/) {
    NeonSums sums;
    for (size_t i = 0; i < 4; ++i) sums.low[i] = sums.high[i] = vdupq_n_s32(0);
    return sums;
  }
  void Add(const Codes& codes, const int8_t* x) {
    const int8x16_t x4 = BroadcastFour(x);
    for (size_t i = 0; i < 4; ++i) {
      low[i] = vpadalq_s16(low[i], vmull_s8(vget_low_s8(codes.v[i]), vget_low_s8(x4)));
      high[i] = vpadalq_s16(high[i], vmull_high_s8(codes.v[i], x4));
    }
  }
  static NeonLanes Join(const NeonSums& high, const NeonSums& low) {
    return {JoinFour(high.Total(0), low.Total(0)), JoinFour(high.Total(1), low.Total(1)),
            JoinFour(high.Total(2), low.Total(2)), JoinFour(high.Total(3), low.Total(3))};
  }

 private:
  int32x4_t Total(size_t i) const { return vpaddq_s32(low[i], high[i]); }
};

}  // namespace

constinit const AttentionKernel kAttentionNeon = {
    .name = "attention_neon",
    .isa = Isa::kNeon,
    .run_f16 = RunAttention<NeonLanes, 5, 1, uint16_t>,
    .run_f32 = RunAttention<NeonLanes, 5, 1, float>,
    .run_q8 = RunAttentionQ8<NeonLanes, NeonSums, 1, 1>,
    .merge = MergeSums<NeonLanes>};

}  // namespace tern
