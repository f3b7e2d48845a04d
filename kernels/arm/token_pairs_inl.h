// SPDX-License-Identifier: MIT
// Tokens two by two, as smmla multiplies them. Included by exactly the gemm_*_neoni8mm.cc files, in
// whose anonymous namespaces it lives: see vector_ops_inl.h.
#ifndef TERN_KERNELS_ARM_TOKEN_PAIRS_INL_H_
#define TERN_KERNELS_ARM_TOKEN_PAIRS_INL_H_

#include <arm_neon.h>

#include "kernels/gemm.h"

namespace tern {
namespace {

constexpr int kMaxPairs = 4;  // four row pairs times four of these have their sums in 16 registers
constexpr int kRowPairs = 4;
constexpr size_t kHalfRows = 2 * kRowPairs;  // of a tile's

// Where a pair of tokens is read from and written to. A last odd token is paired with itself.
struct TokenPair {
  const int8_t* x[2];
  int32_t* sums[2];
  int32_t x_sums[2];
  bool is_one;  // token, not two
};

inline TokenPair PairAt(const GemmArgs& args, size_t token) {
  TokenPair pair;
  pair.is_one = token + 1 >= args.tokens;
  for (size_t i = 0; i < 2; ++i) {
    const size_t at = pair.is_one ? token : token + i;
    pair.x[i] = args.x + at * args.x_stride;
    pair.sums[i] = args.sums + at * args.sums_stride;
    pair.x_sums[i] = args.x_sums[at];
  }
  return pair;
}

// Sums of two row pairs, whose lanes are [token, row] of two by two, to four rows of each token.
inline int32x4x2_t ByToken(int32x4_t low_rows, int32x4_t high_rows) {
  const int64x2_t low = vreinterpretq_s64_s32(low_rows);
  const int64x2_t high = vreinterpretq_s64_s32(high_rows);
  return {
      {vreinterpretq_s32_s64(vzip1q_s64(low, high)), vreinterpretq_s32_s64(vzip2q_s64(low, high))}};
}

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_ARM_TOKEN_PAIRS_INL_H_
