// SPDX-License-Identifier: MIT
// Attention over pages of q8 (kernels/attention.h), once for all instruction sets, over a type V of
// 16 float lanes (vector_ops_inl.h) and a type D of 16 sums in 32 bits. Included by exactly the
// attention_<isa>.cc files, in whose anonymous namespaces it lives.
//
// D has the type Codes, of a tile of 64 bytes; static Load(tile), Begin(x_sum), what sums begin
// with, and Join(high, low), kQ8DigitBase * high + low as floats; and Add(codes, x), which adds
// byte 4 * l + c, less kQ8Zero, times x[c] to lane l for c < 4. Where codes are multiplied as they
// are, x_sum, kQ8Zero times the sum of all x, is what they add too much.
//
// Keys and values take the same loop: two vectors of digits for each of kRows rows times kGroups
// tiles at a time, the sums in registers. While the keys of a block are multiplied its values are
// prefetched into the L2 cache, and while these are, the keys of the next block: line for line, so
// that the memory is never idle.
#ifndef TERN_KERNELS_ATTENTION_Q8_INL_H_
#define TERN_KERNELS_ATTENTION_Q8_INL_H_

#include "kernels/attention_inl.h"

namespace tern {
namespace {

// Rows of whole numbers in two digits: queries, then weights.
struct DigitRows {
  int8_t* digits;  // [rows, 2, stride]: high, low
  size_t stride;
  int32_t* x_sums;  // [rows, 2]: kQ8Zero times the sum of the digits
  float* units;     // [rows]: what one step is worth
};

// The weights take the place of the queries.
struct Q8Block {
  const AttentionArgs& args;
  size_t rows;
  float* scores;       // [rows, kAttentionScoreStride]
  AttentionSums sums;  // m, s and o of the block
  DigitRows queries;
  DigitRows weights;

  explicit Q8Block(const AttentionArgs& a) : args(a), rows(a.positions * a.heads) {
    scores = a.scratch;
    sums.out = scores + rows * kAttentionScoreStride;
    sums.max = sums.out + rows * a.padded_dim;
    sums.sum = sums.max + rows;
    queries.units = sums.sum + rows;
    queries.x_sums = reinterpret_cast<int32_t*>(queries.units + rows);
    queries.digits = reinterpret_cast<int8_t*>(queries.x_sums + 2 * rows);
    queries.stride = a.padded_dim;
    weights = queries;
    weights.stride = kAttentionBlockTokens;
  }
  const AttentionRange& range(size_t row) const { return args.ranges[row / args.heads]; }
};

const float* Q8Scales(const AttentionArgs& args, const void* page) {
  const auto* bytes = static_cast<const uint8_t*>(page);
  return reinterpret_cast<const float*>(bytes + kAttentionPageTokens * args.padded_dim);
}

// Writes `load(i)`, the numbers i .. i + 15 of row `row`, for i = begin, begin + 16, ... < end, as
// whole numbers. The high digit is the nearest integer to k / kQ8DigitBase, so the low one is at
// most half of the base. Sums of digits are exact in floats.
template <typename V, typename Load>
void SplitRow(size_t begin, size_t end, Load load, size_t row, const DigitRows& to) {
  V lanes = V::Broadcast(kQ8Least);
  for (size_t i = begin; i < end; i += kLanes) lanes = V::Max(load(i).Abs(), lanes);
  const float steps = kQ8Steps / lanes.FoldMax();
  const V zero = V::Broadcast(0.0f), scale = V::Broadcast(steps),
          bound = V::Broadcast(kQ8Steps + 1);
  const V base = V::Broadcast(kQ8DigitBase), inverse = V::Broadcast(1.0f / kQ8DigitBase);
  V high_sum = zero, low_sum = zero;
  int8_t* digits = to.digits + 2 * row * to.stride;
  for (size_t i = begin; i < end; i += kLanes) {
    const V scaled = load(i) * scale;
    const V k = V::SelectLess(scaled.Abs(), bound, scaled, zero).Round();
    const V high = (k * inverse).Round();
    const V low = k - high * base;
    high.StoreInt8(digits + i);
    low.StoreInt8(digits + to.stride + i);
    high_sum = high_sum + high;
    low_sum = low_sum + low;
  }
  to.x_sums[2 * row] = kQ8Zero * static_cast<int32_t>(high_sum.FoldSum());
  to.x_sums[2 * row + 1] = kQ8Zero * static_cast<int32_t>(low_sum.FoldSum());
  to.units[row] = 1.0f / steps;
}

template <typename V>
void SplitQuery(const Q8Block& block, size_t row) {
  const AttentionArgs& args = block.args;
  const float* query =
      args.queries + row / args.heads * args.query_stride + row % args.heads * args.head_dim;
  const auto load = [&](size_t i) { return LoadAt<V>(query, i, args.head_dim); };
  SplitRow<V>(0, args.head_dim, load, row, block.queries);
}

// The weights of a row, times the scales of their values. In pages [begin, end) those of tokens
// that the row does not attend to are 0: their scale may be anything, so it is not even multiplied
// by 0.
template <typename V>
void SplitWeights(const Q8Block& block, size_t begin, size_t end, size_t row) {
  const AttentionRange& range = block.range(row);
  const size_t first = range.begin / kLanes * kLanes;
  const size_t last = (range.end + kLanes - 1) / kLanes * kLanes;
  float* weights = block.scores + row * kAttentionScoreStride;
  for (size_t i = first; i < last; i += kLanes) {
    const size_t page = i / kAttentionPageTokens;
    const float* scales = Q8Scales(block.args, block.args.values[page]);
    const V weight = V::Load(weights + i), zero = V::Broadcast(0.0f);
    const V scaled = weight * V::Load(scales + i % kAttentionPageTokens);
    V::SelectLess(zero, weight, scaled, zero).Store(weights + i);
  }
  const auto load = [weights](size_t i) { return V::Load(weights + i); };
  SplitRow<V>(first, last, load, row, block.weights);
  int8_t* digits = block.weights.digits + 2 * row * block.weights.stride;
  for (size_t digit = 0; digit < 2; ++digit, digits += block.weights.stride) {
    for (size_t i = begin * kAttentionPageTokens; i < first; ++i) digits[i] = 0;
    for (size_t i = last; i < end * kAttentionPageTokens; ++i) digits[i] = 0;
  }
}

// Adds `tiles` tiles of each of kGroups groups, which lie group_bytes apart, times kVectors vectors
// of digits. Prefetches what lies in `ahead` as the codes do in theirs.
template <typename D, int kVectors, int kGroups>
[[gnu::always_inline]] inline void AddTiles(const uint8_t* codes, size_t group_bytes, size_t tiles,
                                            const uint8_t* ahead, const int8_t* x, size_t x_stride,
                                            D (&sums)[kVectors][kGroups]) {
  for (size_t tile = 0; tile < tiles; ++tile) {
    typename D::Codes loaded[kGroups];
#pragma GCC unroll 16
    for (int g = 0; g < kGroups; ++g) {
      __builtin_prefetch(ahead + g * group_bytes, 0, 2);
      loaded[g] = D::Load(codes + g * group_bytes);
    }
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
#pragma GCC unroll 16
      for (int g = 0; g < kGroups; ++g) sums[v][g].Add(loaded[g], x + v * x_stride);
    }
    codes += kQ8TileBytes;
    ahead += kQ8TileBytes;
    x += kQ8TileDepth;
  }
}

template <typename D, int kVectors, int kGroups>
[[gnu::always_inline]] inline void BeginSums(const int32_t* x_sums, D (&sums)[kVectors][kGroups]) {
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) {
#pragma GCC unroll 16
    for (int g = 0; g < kGroups; ++g) sums[v][g] = D::Begin(x_sums[v]);
  }
}

// Scores of kRows rows from `row` on and kGroups * 16 tokens of a page from `token` on.
template <typename V, typename D, int kRows, int kGroups>
[[gnu::noinline]] void ScoreTileQ8(const Q8Block& block, size_t page, size_t token, size_t row) {
  const AttentionArgs& args = block.args;
  const DigitRows& queries = block.queries;
  const size_t offset = token * args.padded_dim;
  D sums[2 * kRows][kGroups];
  BeginSums(queries.x_sums + 2 * row, sums);
  AddTiles(static_cast<const uint8_t*>(args.keys[page]) + offset, kLanes * args.padded_dim,
           args.padded_dim / kQ8TileDepth, static_cast<const uint8_t*>(args.values[page]) + offset,
           queries.digits + 2 * row * queries.stride, queries.stride, sums);
  const float* scales = Q8Scales(args, args.keys[page]) + token;
  float* scores = block.scores + row * kAttentionScoreStride + page * kAttentionPageTokens + token;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    const V unit = V::Broadcast(args.scale * queries.units[row + r]);
#pragma GCC unroll 16
    for (int g = 0; g < kGroups; ++g) {
      const V total = D::Join(sums[2 * r][g], sums[2 * r + 1][g]);
      const V score = total * (V::Load(scales + g * kLanes) * unit);
      score.Store(scores + r * kAttentionScoreStride + g * kLanes);
    }
  }
}

// The weighted values of kRows rows from `row` on, kGroups * 16 columns from `col` on, over pages
// [begin, end).
template <typename V, typename D, int kRows, int kGroups>
[[gnu::noinline]] void ValueTileQ8(const Q8Block& block, size_t begin, size_t end, size_t col,
                                   size_t row) {
  const AttentionArgs& args = block.args;
  const DigitRows& weights = block.weights;
  const int8_t* digits = weights.digits + 2 * row * weights.stride;
  const size_t offset = col * kAttentionPageTokens;
  D sums[2 * kRows][kGroups];
  BeginSums(weights.x_sums + 2 * row, sums);
  for (size_t page = begin; page < end; ++page) {
    const void* next = args.next_keys[page] == nullptr ? args.values[page] : args.next_keys[page];
    AddTiles(static_cast<const uint8_t*>(args.values[page]) + offset, kLanes * kAttentionPageTokens,
             kAttentionPageTokens / kQ8TileDepth, static_cast<const uint8_t*>(next) + offset,
             digits + page * kAttentionPageTokens, weights.stride, sums);
  }
  float* out = block.sums.out + row * args.padded_dim + col;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    const V unit = V::Broadcast(weights.units[row + r]);
#pragma GCC unroll 16
    for (int g = 0; g < kGroups; ++g) {
      const V total = D::Join(sums[2 * r][g], sums[2 * r + 1][g]);
      (total * unit).Store(out + r * args.padded_dim + g * kLanes);
    }
  }
}

// The scales of a page, which no tile covers.
void PrefetchScales(const AttentionArgs& args, const void* page) {
  const float* scales = Q8Scales(args, page);
  __builtin_prefetch(scales, 0, 2);
  __builtin_prefetch(scales + kLanes, 0, 2);
}

// Pages that the rows [row, row + rows) attend to.
AttentionRange TouchedPages(const Q8Block& block, size_t row, size_t rows) {
  const AttentionRange first = block.range(row), last = block.range(row + rows - 1);
  if (first.begin >= last.end) return {0, 0};
  constexpr uint32_t kPage = kAttentionPageTokens;
  return {first.begin / kPage, (last.end + kPage - 1) / kPage};
}

template <typename V, typename D, int kRows, int kGroups>
void ScorePageQ8(const Q8Block& block, size_t page) {
  PrefetchScales(block.args, block.args.values[page]);
  for (size_t row = 0; row < block.rows; row += kRows) {
    const size_t rows = Least(kRows, block.rows - row);
    const AttentionRange pages = TouchedPages(block, row, rows);
    if (page < pages.begin || page >= pages.end) continue;
    WithRows<kRows>(rows, [&]<int n>() {
      for (size_t token = 0; token < kAttentionPageTokens; token += kGroups * kLanes) {
        ScoreTileQ8<V, D, n, kGroups>(block, page, token, row);
      }
    });
  }
}

template <typename V, typename D, int kRows, int kGroups>
void WeighRowsQ8(const Q8Block& block, size_t row) {
  const size_t rows = Least(kRows, block.rows - row), dim = block.args.padded_dim;
  const AttentionRange pages = TouchedPages(block, row, rows);
  for (size_t r = row; r < row + rows; ++r) SplitWeights<V>(block, pages.begin, pages.end, r);
  WithRows<kRows>(rows, [&]<int n>() {
    size_t col = 0;
    for (; col + kGroups * kLanes <= dim; col += kGroups * kLanes) {
      ValueTileQ8<V, D, n, kGroups>(block, pages.begin, pages.end, col, row);
    }
    for (; col < dim; col += kLanes) {
      ValueTileQ8<V, D, n, 1>(block, pages.begin, pages.end, col, row);
    }
  });
}

template <typename V, typename D, int kRows, int kGroups>
void RunAttentionQ8(const AttentionArgs& args) {
  const Q8Block block(args);
  const AttentionRange pages = TouchedPages(block, 0, block.rows);
  if (pages.begin == pages.end) return;
  for (size_t row = 0; row < block.rows; ++row) SplitQuery<V>(block, row);
  for (size_t page = pages.begin; page < pages.end; ++page) {
    ScorePageQ8<V, D, kRows, kGroups>(block, page);
  }
  for (size_t row = 0; row < block.rows; ++row) {
    SoftmaxRow<V>(block.range(row), block.scores + row * kAttentionScoreStride,
                  block.sums.max + row, block.sums.sum + row);
  }
  for (size_t page = pages.begin; page < pages.end; ++page) {
    if (args.next_keys[page] != nullptr) PrefetchScales(args, args.next_keys[page]);
  }
  for (size_t row = 0; row < block.rows; row += kRows) {
    WeighRowsQ8<V, D, kRows, kGroups>(block, row);
  }
  MergeSums<V>(block.sums, block.rows, args.padded_dim, args.sums);
}

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_ATTENTION_Q8_INL_H_
