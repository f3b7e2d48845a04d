// SPDX-License-Identifier: MIT
// The loops of kernels/group_gemm.h, once for all instruction sets. Included by exactly the
// group_gemm_t2r16_<isa>.cc files, in whose anonymous namespaces it lives: see vector_ops_inl.h.
//
// Ops has the types Tile (16 rows x 16 columns of codes), Codes (16 rows x 4), Sums (of 16 rows,
// of codes times int8, exact over kMaxGroupCols columns) and Floats (16), and static Load(tile),
// NextCodes(tile), which takes four columns off it, Zero and ZeroSums, Add(sums, codes, x), which
// adds the products with x[0..3], AddScaled(out, sums of the three digits, x_sum, scales) and
// Store.
#ifndef TERN_KERNELS_GROUP_GEMM_INL_H_
#define TERN_KERNELS_GROUP_GEMM_INL_H_

#include "kernels/group_gemm.h"
#include "kernels/prefetch_inl.h"
#include "kernels/t2r16.h"

namespace tern {
namespace {

// One row group times tokens [token, token + kTokens). With the first, that which follows is
// fetched.
template <typename Ops, int kTokens>
void RunGroupTile(const GroupGemmArgs& args, const uint8_t* weights, const float* scales,
                  size_t row, size_t token) {
  const size_t groups = args.cols / args.group_cols;
  const size_t ahead = token == 0 ? args.cols / kT2R16Cols * kT2R16TileBytes : 0;
  typename Ops::Floats out[kTokens];
  for (auto& floats : out) floats = Ops::Zero();
  for (size_t group = 0; group < groups; ++group) {
    typename Ops::Sums sums[kTokens][kWideDigits];
    for (auto& token_sums : sums) {
      for (auto& digit_sums : token_sums) digit_sums = Ops::ZeroSums();
    }
    const size_t begin = group * args.group_cols;
    for (size_t col = begin; col < begin + args.group_cols; col += kT2R16Cols) {
      typename Ops::Tile tile = Ops::Load(weights);
      PrefetchNextGroups(weights + ahead);
      weights += kT2R16TileBytes;
      for (int j = 0; j < 4; ++j) {
        const typename Ops::Codes codes = Ops::NextCodes(tile);
        for (int t = 0; t < kTokens; ++t) {
          const size_t at = (token + t) * args.x_stride + col + 4 * j;
          for (int digit = 0; digit < kWideDigits; ++digit) {
            sums[t][digit] = Ops::Add(sums[t][digit], codes, args.x[digit] + at);
          }
        }
      }
    }
    for (int t = 0; t < kTokens; ++t) {
      const int32_t x_sum = args.x_sums[(token + t) * groups + group];
      out[t] = Ops::AddScaled(out[t], sums[t], x_sum, scales + group * kT2R16Rows);
    }
  }
  for (int t = 0; t < kTokens; ++t) {
    Ops::Store(out[t], args.out + (token + t) * args.out_stride + row);
  }
}

// The last tokens, from `token` on: at most kTokens.
template <typename Ops, int kTokens>
void RunGroupRest(const GroupGemmArgs& args, const uint8_t* weights, const float* scales,
                  size_t row, size_t token) {
  if (args.tokens - token == kTokens) {
    return RunGroupTile<Ops, kTokens>(args, weights, scales, row, token);
  }
  if constexpr (kTokens > 1) {
    RunGroupRest<Ops, kTokens - 1>(args, weights, scales, row, token);
  }
}

template <typename Ops, int kMaxTokens>
void RunGroupGemm(const GroupGemmArgs& args) {
  const size_t groups = args.cols / args.group_cols;
  const size_t row_bytes = args.cols / kT2R16Cols * (kT2R16TileBytes / kT2R16Rows);
  for (size_t row = 0; row < args.rows; row += kT2R16Rows) {
    const uint8_t* weights = args.weights + row * row_bytes;
    const float* scales = args.scales + row * groups;
    size_t token = 0;
    for (; token + kMaxTokens <= args.tokens; token += kMaxTokens) {
      RunGroupTile<Ops, kMaxTokens>(args, weights, scales, row, token);
    }
    RunGroupRest<Ops, kMaxTokens>(args, weights, scales, row, token);
  }
}

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_GROUP_GEMM_INL_H_
