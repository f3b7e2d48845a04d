// SPDX-License-Identifier: MIT
// The loops of kernels/attention.h, once for all instruction sets, over a type V of 16 float lanes
// (vector_ops_inl.h). Included by exactly the attention_<isa>.cc files, in whose anonymous
// namespaces it lives. For q8 see attention_q8_inl.h.
//
// Both products hold a tile of sums in registers, kRows query rows by kVectors vectors of 16 tokens
// (scores) or of 16 columns (values): a vector of the cache, converted to float once, serves kRows
// rows, and a broadcast query or weight serves kVectors vectors. An instruction set chooses both
// so that kRows * kVectors sums, kVectors vectors and two more fit its registers. Both prefetch the
// same place of the page that is read next, wherever it lies, into the L2 cache: it takes more
// lines at once than the L1 (16.2 GB/s with 4 rows of f16 on Zen 4, against 11.4, and 10 without).
#ifndef TERN_KERNELS_ATTENTION_INL_H_
#define TERN_KERNELS_ATTENTION_INL_H_

#include "kernels/attention.h"
#include "kernels/vector_ops_inl.h"

namespace tern {
namespace {

static_assert(kAttentionLanes == kLanes);

constexpr size_t Least(size_t a, size_t b) { return a < b ? a : b; }

// What a tile prefetches: the lines of the next page that lie where its own do.
struct Ahead {
  const uint8_t* line;
  size_t stride;  // bytes from the line of a column, or token, to that of the next
};

// What the loops below share of AttentionArgs, by query row.
struct AttentionBlock {
  const AttentionArgs& args;
  size_t rows;
  size_t element_bytes;  // of the cache
  float* scores;         // [rows, kAttentionScoreStride]
  AttentionSums sums;    // m, s and o of the block
  float* converted;      // [kAttentionPageTokens, padded_dim]: keys or values of a page
  float* queries;        // tiles of up to kRows rows: [head_dim, rows of the tile] each

  AttentionBlock(const AttentionArgs& a, size_t bytes)
      : args(a), rows(a.positions * a.heads), element_bytes(bytes) {
    scores = a.scratch;
    sums.out = scores + rows * kAttentionScoreStride;
    converted = sums.out + rows * a.padded_dim;
    queries = converted + kAttentionPageTokens * a.padded_dim;
    sums.max = queries + rows * a.head_dim;
    sums.sum = sums.max + rows;
  }
  const AttentionRange& range(size_t row) const { return args.ranges[row / args.heads]; }
};

// The tokens of `range` that lie in `page`, counted from the page's first.
AttentionRange WithinPage(const AttentionRange& range, size_t page) {
  const auto clamp = [page](size_t token) {
    const size_t begin = page * kAttentionPageTokens;
    return static_cast<uint32_t>(token < begin ? 0 : Least(token - begin, kAttentionPageTokens));
  };
  return {clamp(range.begin), clamp(range.end)};
}

// Lays out queries so that the rows of a tile are adjacent for each column.
void PackQueries(const AttentionBlock& block, size_t tile) {
  const AttentionArgs& args = block.args;
  for (size_t row = 0; row < block.rows; ++row) {
    const size_t first = row / tile * tile;
    const size_t tile_rows = Least(tile, block.rows - first);
    const float* query =
        args.queries + row / args.heads * args.query_stride + row % args.heads * args.head_dim;
    float* packed = block.queries + first * args.head_dim + (row - first);
    for (size_t d = 0; d < args.head_dim; ++d) packed[d * tile_rows] = query[d];
  }
}

template <typename V, int kRows, int kVectors>
void Fill(V (&tile)[kRows][kVectors], V value) {
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) tile[r][v] = value;
  }
}

// Scores of kRows rows from `row` on and kVectors * 16 tokens of a page.
template <typename V, int kRows, int kVectors, typename T>
[[gnu::noinline]] void ScoreTile(const AttentionBlock& block, const T* keys, Ahead ahead,
                                 size_t row, float* scores) {
  const float* queries = block.queries + row * block.args.head_dim;
  const size_t dim = block.args.head_dim;
  V totals[kRows][kVectors];
  Fill(totals, V::Broadcast(0.0f));
  for (size_t begin = 0; begin < dim; begin += kAttentionSumCols) {
    V sums[kRows][kVectors];
    Fill(sums, V::Broadcast(0.0f));
    for (size_t d = begin; d < Least(begin + kAttentionSumCols, dim); ++d) {
      __builtin_prefetch(ahead.line, 0, 2);
      ahead.line += ahead.stride;
      V key[kVectors];
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) key[v] = LoadLanes<V>(keys + v * kLanes);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) sums[r][v] = sums[r][v] + V::Times(queries + r, key[v]);
      }
      keys += kAttentionPageTokens;
      queries += kRows;
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) totals[r][v] = totals[r][v] + sums[r][v];
    }
  }
  const V scale = V::Broadcast(block.args.scale);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      (totals[r][v] * scale).Store(scores + r * kAttentionScoreStride + v * kLanes);
    }
  }
}

// Adds `tokens` weighted values to kVectors * 16 columns of kRows rows. `weights`, `values` and
// `out` are the first of each.
template <typename V, int kRows, int kVectors, typename T>
[[gnu::noinline]] void ValueTile(const float* weights, const T* values, Ahead ahead, size_t tokens,
                                 size_t dim, float* out) {
  V sums[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) sums[r][v] = V::Load(out + r * dim + v * kLanes);
  }
  for (size_t token = 0; token < tokens; ++token) {
    __builtin_prefetch(ahead.line, 0, 2);
    ahead.line += ahead.stride;
    V value[kVectors];
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) value[v] = LoadLanes<V>(values + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const float* weight = weights + r * kAttentionScoreStride + token;
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) sums[r][v] = sums[r][v] + V::Times(weight, value[v]);
    }
    values += dim;
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) sums[r][v].Store(out + r * dim + v * kLanes);
  }
}

// Calls body.operator()<n>() for n = rows, at most kRows.
template <int kRows, typename Body>
void WithRows(size_t rows, Body body) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return WithRows<kRows - 1>(rows, body);
  }
  body.template operator()<kRows>();
}

template <typename V, int kRows, int kVectors, typename T>
void ScorePage(const AttentionBlock& block, size_t page, const T* keys, const uint8_t* next) {
  const size_t bytes = block.element_bytes;
  for (size_t row = 0; row < block.rows; row += kRows) {
    const size_t rows = Least(kRows, block.rows - row);
    const AttentionRange touched =
        WithinPage({block.range(row).begin, block.range(row + rows - 1).end}, page);
    if (touched.begin == touched.end) continue;
    float* scores = block.scores + row * kAttentionScoreStride + page * kAttentionPageTokens;
    WithRows<kRows>(rows, [&]<int n>() {
      for (size_t token = 0; token < kAttentionPageTokens; token += kVectors * kLanes) {
        const Ahead ahead = {next + token * bytes, kAttentionPageTokens * bytes};
        ScoreTile<V, n, kVectors>(block, keys + token, ahead, row, scores + token);
      }
    });
  }
}

// Rows that attend to the same tokens of the page go together: what a row does not attend to never
// enters its sums, not even times 0, for it may be infinite.
template <typename V, int kRows, int kVectors, typename T>
void WeighPage(const AttentionBlock& block, size_t page, const T* values, const uint8_t* next) {
  const size_t dim = block.args.padded_dim, bytes = block.element_bytes;
  for (size_t row = 0, end; row < block.rows; row = end) {
    const AttentionRange range = WithinPage(block.range(row), page);
    for (end = row + 1; end < block.rows && end < row + kRows; ++end) {
      const AttentionRange other = WithinPage(block.range(end), page);
      if (other.begin != range.begin || other.end != range.end) break;
    }
    if (range.begin == range.end) continue;
    const size_t first = page * kAttentionPageTokens + range.begin;
    const float* weights = block.scores + row * kAttentionScoreStride + first;
    const T* value = values + range.begin * dim;
    const size_t tokens = range.end - range.begin;
    float* out = block.sums.out + row * dim;
    WithRows<kRows>(end - row, [&]<int n>() {
      const auto ahead = [&](size_t col) {
        return Ahead{next + (range.begin * dim + col) * bytes, dim * bytes};
      };
      size_t col = 0;
      for (; col + kVectors * kLanes <= dim; col += kVectors * kLanes) {
        ValueTile<V, n, kVectors>(weights, value + col, ahead(col), tokens, dim, out + col);
      }
      for (; col < dim; col += kLanes) {
        ValueTile<V, n, 1>(weights, value + col, ahead(col), tokens, dim, out + col);
      }
    });
  }
}

// Calls body(floats or f16) with `count` elements of a page, converted where several tiles of rows
// share them: a conversion to f16 costs as much as the products of two rows.
template <typename V, typename T, typename Body>
void WithPage(const AttentionBlock& block, const void* page, size_t count, bool shared, Body body) {
  const T* elements = static_cast<const T*>(page);
  if constexpr (sizeof(T) < sizeof(float)) {
    if (shared) {
      FromF16<V>(elements, block.converted, count);
      return body(static_cast<const float*>(block.converted));
    }
  }
  body(elements);
}

// Turns one row's scores into weights: those of `range`, and 0 around them up to whole vectors.
template <typename V>
void SoftmaxRow(const AttentionRange& range, float* scores, float* max, float* sum) {
  const float lowest = -__builtin_inff();
  *max = lowest;
  *sum = 0;
  if (range.begin == range.end) return;
  const size_t begin = range.begin / kLanes * kLanes;
  const size_t end = (range.end + kLanes - 1) / kLanes * kLanes;
  for (size_t token = begin; token < range.begin; ++token) scores[token] = lowest;
  for (size_t token = range.end; token < end; ++token) scores[token] = lowest;
  V lanes = V::Broadcast(lowest);
  for (size_t i = begin; i < end; i += kLanes) lanes = V::Max(V::Load(scores + i), lanes);
  *max = lanes.FoldMax();
  const V shift = V::Broadcast(*max);
  V total = V::Broadcast(0.0f);
  for (size_t i = begin; i < end; i += kLanes) {
    const V weight = Exp(V::Load(scores + i) - shift);
    weight.Store(scores + i);
    total = total + weight;
  }
  *sum = total.FoldSum();
}

// e^x in a single lane's worth.
template <typename V>
float ExpOne(float x) {
  float lanes[kLanes];
  Exp(V::Broadcast(x)).Store(lanes);
  return lanes[0];
}

// A block with a token has a sum of 1 or more, or of NaN; what a row has none of leaves it alone.
template <typename V>
void MergeSums(const AttentionSums& from, size_t rows, size_t dim, const AttentionSums& to) {
  for (size_t row = 0; row < rows; ++row) {
    if (from.sum[row] == 0) continue;
    const float max = from.max[row] > to.max[row] ? from.max[row] : to.max[row];
    const float a = ExpOne<V>(to.max[row] - max), b = ExpOne<V>(from.max[row] - max);
    to.max[row] = max;
    to.sum[row] = a * to.sum[row] + b * from.sum[row];
    for (size_t i = row * dim; i < (row + 1) * dim; i += kLanes) {
      const V merged =
          V::Broadcast(a) * V::Load(to.out + i) + V::Broadcast(b) * V::Load(from.out + i);
      merged.Store(to.out + i);
    }
  }
}

template <typename V, int kRows, int kVectors, typename T>
void RunAttention(const AttentionArgs& args) {
  const AttentionBlock block(args, sizeof(T));
  const size_t dim = args.padded_dim;
  const size_t begin = args.ranges[0].begin / kAttentionPageTokens;
  const size_t end =
      (args.ranges[args.positions - 1].end + kAttentionPageTokens - 1) / kAttentionPageTokens;
  if (begin >= end) return;
  const bool shared = block.rows > kRows;
  PackQueries(block, kRows);
  for (size_t page = begin; page < end; ++page) {
    const size_t count = args.head_dim * kAttentionPageTokens;
    const void* next = page + 1 < end ? args.keys[page + 1] : args.values[begin];
    WithPage<V, T>(block, args.keys[page], count, shared, [&](const auto* keys) {
      ScorePage<V, kRows, kVectors>(block, page, keys, static_cast<const uint8_t*>(next));
    });
  }
  for (size_t row = 0; row < block.rows; ++row) {
    SoftmaxRow<V>(block.range(row), block.scores + row * kAttentionScoreStride,
                  block.sums.max + row, block.sums.sum + row);
  }
  for (size_t i = 0; i < block.rows * dim; ++i) block.sums.out[i] = 0;
  const void* behind = args.next_keys[0] == nullptr ? args.values[end - 1] : args.next_keys[0];
  for (size_t page = begin; page < end; ++page) {
    const void* next = page + 1 < end ? args.values[page + 1] : behind;
    WithPage<V, T>(
        block, args.values[page], kAttentionPageTokens * dim, shared, [&](const auto* values) {
          WeighPage<V, kRows, kVectors>(block, page, values, static_cast<const uint8_t*>(next));
        });
  }
  MergeSums<V>(block.sums, block.rows, dim, args.sums);
}

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_ATTENTION_INL_H_
