// SPDX-License-Identifier: MIT
// gemv_t2r16_neondotprod: four activations are broadcast from a register's lane; one row is one
// 32-bit lane.
#include "kernels/arm/gemm_neon_inl.h"
#include "kernels/t2r16.h"
#include "kernels/variants.h"

namespace tern {
namespace {

// Two of the four codes of a byte keep their place, which saves their shifts; they weigh 4 and 16
// times too much, and their sums are shifted right once at the end: exact, for each is a multiple
// of its weight. The code in the upper bits would be negative in its place, for sdot is signed.
struct InPlaceOps {
  static constexpr size_t kCols = kT2R16Cols;
  // The heaviest sum takes at most 4 * (2 * 16) * 127 = 16,256 a tile in magnitude, so 32 bits hold
  // it to 132,104 tiles: more than the columns that gemv.h allows.
  static constexpr size_t kColsBeforeTotal = 100'000 * kT2R16Cols;

  using X = int8x16_t;
  struct Codes {
    int8x16_t of1, of4, of16, upper;
  };
  struct Sums {
    int32x4_t of1, of4, of16;
  };

  static int32x4_t Begin(int32_t x_sum) { return vdupq_n_s32(-x_sum); }
  static X LoadX(const int8_t* x) { return vld1q_s8(x); }
  static Codes Unpack(const uint8_t* bytes) {
    const uint8x16_t rows = vld1q_u8(bytes);
    const auto masked = [rows](uint8_t mask) {
      return vreinterpretq_s8_u8(vandq_u8(rows, vdupq_n_u8(mask)));
    };
    return {masked(0x03), masked(0x0C), masked(0x30), vreinterpretq_s8_u8(vshrq_n_u8(rows, 6))};
  }
  static Sums Zero() { return {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)}; }
  static Sums Add(Sums sums, const Codes& codes, X x) {
    sums.of1 = vdotq_laneq_s32(sums.of1, codes.of1, x, 0);
    sums.of4 = vdotq_laneq_s32(sums.of4, codes.of4, x, 1);
    sums.of16 = vdotq_laneq_s32(sums.of16, codes.of16, x, 2);
    sums.of1 = vdotq_laneq_s32(sums.of1, codes.upper, x, 3);
    return sums;
  }
  static int32x4_t Total(Sums sums) {
    return vaddq_s32(vaddq_s32(sums.of1, vshrq_n_s32(sums.of4, 2)), vshrq_n_s32(sums.of16, 4));
  }
};

}  // namespace

void GemvT2R16NeonDotprod(const GemvArgs& args) { RunGemv<InPlaceOps>(args); }

}  // namespace tern
