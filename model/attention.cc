// SPDX-License-Identifier: MIT
#include "model/attention.h"

#include <algorithm>
#include <array>
#include <limits>

namespace tern {
namespace {

constexpr size_t kBlock = kAttentionBlockTokens;
constexpr size_t kPage = kAttentionPageTokens;

// Most query rows of a tile: many, to share the conversion of a page. 128 are 4 % faster, but then
// a short prompt has too few tiles, and the sums of shared tiles take as much more memory.
constexpr size_t kTileRows = 48;

// Reading a token's key and value from memory takes about as long as the products of so many rows
// with it: reckoned for 28 GB/s and 50 G products a second.
constexpr size_t kReadRows = 4;

// Query heads of a tile: the most that divide those of a key-value head.
size_t TileHeads(size_t group) {
  size_t heads = std::min(group, kTileRows);
  while (group % heads != 0) --heads;
  return heads;
}

// Floats of the sums of a tile, on whole cache lines.
size_t SumsFloats(size_t head_dim) {
  constexpr size_t kLineFloats = kCacheLineBytes / sizeof(float);
  const size_t floats = kTileRows * (KvPaddedDim(head_dim) + 2);
  return (floats + kLineFloats - 1) / kLineFloats * kLineFloats;
}

void StoreF32(const float* key, const float* value, size_t dim, size_t slot, float* key_page,
              float* value_page) {
  for (size_t col = 0; col < dim; ++col) key_page[col * kPage + slot] = key[col];
  std::copy_n(value, dim, value_page + slot * KvPaddedDim(dim));
}

void StoreF16(const VectorOps& ops, const float* key, const float* value, size_t dim, size_t slot,
              uint16_t* key_page, uint16_t* value_page) {
  std::array<uint16_t, 128> rounded;
  for (size_t begin = 0; begin < dim; begin += rounded.size()) {
    const size_t cols = std::min(rounded.size(), dim - begin);
    ops.to_f16(key + begin, rounded.data(), cols);
    for (size_t i = 0; i < cols; ++i) key_page[(begin + i) * kPage + slot] = rounded[i];
  }
  ops.to_f16(value, value_page + slot * KvPaddedDim(dim), dim);
}

// Rounds a vector to 8 bits, with kQ8Zero added, into `codes`. Returns what one step is worth.
float ToQ8(const VectorOps& ops, const float* x, size_t dim, uint8_t* codes) {
  std::array<int8_t, kMaxHeadDim> rounded;
  int32_t sum;
  const float steps = ops.quantize_row(x, rounded.data(), &sum, dim);
  for (size_t col = 0; col < dim; ++col) codes[col] = static_cast<uint8_t>(rounded[col] + kQ8Zero);
  return 1.0f / steps;
}

void StoreQ8(const VectorOps& ops, const float* key, const float* value, size_t dim, size_t slot,
             uint8_t* key_page, uint8_t* value_page) {
  const size_t padded = KvPaddedDim(dim);
  constexpr size_t kLanes = kAttentionLanes, kDepth = kQ8TileDepth;
  const auto scales = [padded](uint8_t* page) {
    return reinterpret_cast<float*>(page + kPage * padded);
  };
  std::array<uint8_t, kMaxHeadDim> codes;
  scales(key_page)[slot] = ToQ8(ops, key, dim, codes.data());
  uint8_t* to = key_page + slot / kLanes * kLanes * padded + slot % kLanes * kDepth;
  for (size_t col = 0; col < dim; ++col) {
    to[col / kDepth * kQ8TileBytes + col % kDepth] = codes[col];
  }
  scales(value_page)[slot] = ToQ8(ops, value, dim, codes.data());
  to = value_page + slot / kDepth * kQ8TileBytes + slot % kDepth;
  for (size_t col = 0; col < dim; ++col) {
    to[col / kLanes * kLanes * kPage + col % kLanes * kDepth] = codes[col];
  }
}

auto RunFor(const AttentionKernel& kernel, KvType type) {
  switch (type) {
    case KvType::kF16:
      return kernel.run_f16;
    case KvType::kF32:
      return kernel.run_f32;
    case KvType::kQ8:
      break;
  }
  return kernel.run_q8;
}

}  // namespace

void StoreKeyValue(const VectorOps& ops, const BatchRow& row, const KvLayer& where,
                   const float* keys, const float* values, KvCache& cache) {
  const uint32_t page = row.pages[row.position / kPage];
  const size_t slot = row.position % kPage, dim = where.head_dim;
  for (uint32_t head = 0; head < where.kv_heads; ++head, keys += dim, values += dim) {
    uint8_t* key_page = cache.Keys(where.layer, head, page);
    uint8_t* value_page = cache.Values(where.layer, head, page);
    if (cache.type() == KvType::kQ8) {
      StoreQ8(ops, keys, values, dim, slot, key_page, value_page);
    } else if (cache.type() == KvType::kF16) {
      StoreF16(ops, keys, values, dim, slot, reinterpret_cast<uint16_t*>(key_page),
               reinterpret_cast<uint16_t*>(value_page));
    } else {
      StoreF32(keys, values, dim, slot, reinterpret_cast<float*>(key_page),
               reinterpret_cast<float*>(value_page));
    }
  }
}

AttentionScratch::AttentionScratch(const ModelConfig& config) {
  const size_t dim = config.head_dim;
  const size_t blocks = (config.context + kBlock - 1) / kBlock;
  kernel = AlignedBuffer<float>(AttentionScratchFloats(kTileRows, KvPaddedDim(dim)));
  running = AlignedBuffer<float>(SumsFloats(dim));
  partials = AlignedBuffer<float>(blocks * SumsFloats(dim));
}

BatchAttention::BatchAttention(const AttentionKernel& kernel, std::span<const BatchRow> batch,
                               const KvLayer& where, const KvCache& cache,
                               std::span<AttentionScratch> threads, const float* queries,
                               float* out)
    : kernel_(kernel),
      batch_(batch),
      where_(where),
      heads_(TileHeads(where.group)),
      cache_(cache),
      threads_(threads),
      queries_(queries),
      out_(out) {
  for (size_t row = 0; row < batch_.size();) {
    const Tile tile = TileAt(row);
    work_ += Work(tile, tile.tokens.size()) * (where_.heads() / heads_);
    row += tile.positions;
  }
}

size_t BatchAttention::FirstToken(const BatchRow& row) const {
  const size_t tokens = size_t{row.position} + 1;
  return where_.window == 0 || tokens <= where_.window ? 0 : tokens - where_.window;
}

BatchAttention::Tile BatchAttention::TileAt(size_t row) const {
  const size_t most = std::min(batch_.size() - row, kTileRows / heads_);
  size_t positions = 1;
  while (positions < most && batch_[row + positions].pages == batch_[row].pages) ++positions;
  Tile tile = {};
  tile.row = row;
  tile.positions = positions;
  tile.tokens = {FirstToken(batch_[row]), size_t{batch_[row].position} + positions};
  return tile;
}

uint64_t BatchAttention::Work(const Tile& tile, size_t tokens) const {
  return uint64_t{tokens} * (Rows(tile) + kReadRows);
}

size_t BatchAttention::ThreadOf(const Tile& tile, size_t block) const {
  const size_t begin = std::max(block * kBlock, tile.tokens.begin);
  return ThreadAt(tile.work_before + Work(tile, begin - tile.tokens.begin));
}

template <typename Visit>
void BatchAttention::ForEachTile(Visit visit) const {
  uint64_t work = 0;
  for (size_t head = 0; head < where_.heads(); head += heads_) {
    for (size_t row = 0; row < batch_.size();) {
      Tile tile = TileAt(row);
      tile.head = head;
      tile.work_before = work;
      tile.first_thread = ThreadAt(work);
      tile.last_thread = ThreadOf(tile, (tile.tokens.end - 1) / kBlock);
      visit(tile);
      work += Work(tile, tile.tokens.size());
      row += tile.positions;
    }
  }
}

AttentionSums BatchAttention::Sums(AlignedBuffer<float>& buffer, size_t index) const {
  float* out = buffer.data() + index * SumsFloats(where_.head_dim);
  float* max = out + kTileRows * KvPaddedDim(where_.head_dim);
  return {.max = max, .sum = max + kTileRows, .out = out};
}

AttentionSums BatchAttention::EmptySums(const Tile& tile, AlignedBuffer<float>& buffer,
                                        size_t index) const {
  const AttentionSums sums = Sums(buffer, index);
  const size_t rows = Rows(tile);
  std::fill_n(sums.max, rows, -std::numeric_limits<float>::infinity());
  std::fill_n(sums.sum, rows, 0.0f);
  std::fill_n(sums.out, rows * KvPaddedDim(where_.head_dim), 0.0f);
  return sums;
}

void BatchAttention::RunBlock(const Tile& tile, size_t block, const AttentionSums& sums,
                              size_t thread) const {
  const size_t begin = block * kBlock;
  const auto within = [begin](size_t token) {
    return static_cast<uint32_t>(std::clamp(token, begin, begin + kBlock) - begin);
  };
  std::array<AttentionRange, kTileRows> ranges;
  for (size_t i = 0; i < tile.positions; ++i) {
    const BatchRow& row = batch_[tile.row + i];
    ranges[i] = {within(FirstToken(row)), within(size_t{row.position} + 1)};
  }
  const auto kv_head = static_cast<uint32_t>(tile.head / where_.group);
  std::array<const void*, kAttentionBlockPages> keys = {}, values = {};
  for (size_t page = ranges[0].begin / kPage; page * kPage < within(tile.tokens.end); ++page) {
    const uint32_t number = batch_[tile.row].pages[begin / kPage + page];
    keys[page] = cache_.Keys(where_.layer, kv_head, number);
    values[page] = cache_.Values(where_.layer, kv_head, number);
  }
  std::array<const void*, kAttentionBlockPages> next_keys = {};
  for (size_t page = 0; begin + kBlock + page * kPage < tile.tokens.end; ++page) {
    if (page == kAttentionBlockPages) break;
    const uint32_t number = batch_[tile.row].pages[begin / kPage + kAttentionBlockPages + page];
    next_keys[page] = cache_.Keys(where_.layer, kv_head, number);
  }
  const auto run = RunFor(kernel_, cache_.type());
  run({.queries = queries_ + tile.row * where_.q_dim() + tile.head * where_.head_dim,
       .query_stride = where_.q_dim(),
       .positions = tile.positions,
       .heads = heads_,
       .head_dim = where_.head_dim,
       .padded_dim = KvPaddedDim(where_.head_dim),
       .scale = where_.scale,
       .keys = keys.data(),
       .values = values.data(),
       .ranges = ranges.data(),
       .sums = sums,
       .scratch = threads_[thread].kernel.data(),
       .next_keys = next_keys.data()});
}

void BatchAttention::Store(const Tile& tile, const AttentionSums& sums) const {
  const size_t dim = where_.head_dim, padded = KvPaddedDim(dim);
  for (size_t row = 0; row < Rows(tile); ++row) {
    float* out =
        out_ + (tile.row + row / heads_) * where_.q_dim() + (tile.head + row % heads_) * dim;
    for (size_t col = 0; col < dim; ++col) out[col] = sums.out[row * padded + col] / sums.sum[row];
  }
}

void BatchAttention::Run(size_t thread) const {
  ForEachTile([&](const Tile& tile) {
    if (thread < tile.first_thread || thread > tile.last_thread) return;
    const size_t first = tile.tokens.begin / kBlock, last = (tile.tokens.end - 1) / kBlock;
    if (tile.first_thread == tile.last_thread) {
      const AttentionSums sums = EmptySums(tile, threads_[thread].running, 0);
      for (size_t block = first; block <= last; ++block) RunBlock(tile, block, sums, thread);
      Store(tile, sums);
      return;
    }
    for (size_t block = first; block <= last; ++block) {
      if (ThreadOf(tile, block) != thread) continue;
      AlignedBuffer<float>& partials = threads_[tile.first_thread].partials;
      RunBlock(tile, block, EmptySums(tile, partials, block - first), thread);
    }
  });
}

// A thread has the first block of one shared tile at most, its last: so its partials suffice.
void BatchAttention::Finish(size_t thread) const {
  ForEachTile([&](const Tile& tile) {
    if (tile.first_thread != thread || tile.last_thread == thread) return;
    const size_t blocks = (tile.tokens.end - 1) / kBlock - tile.tokens.begin / kBlock + 1;
    const AttentionSums sums = EmptySums(tile, threads_[thread].running, 0);
    for (size_t block = 0; block < blocks; ++block) {
      kernel_.merge(Sums(threads_[thread].partials, block), Rows(tile),
                    KvPaddedDim(where_.head_dim), sums);
    }
    Store(tile, sums);
  });
}

}  // namespace tern
