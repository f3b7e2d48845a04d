// SPDX-License-Identifier: MIT
#include "model/compute.h"

#include <algorithm>

namespace tern {
namespace {

// Rows of the head's input that one pass over the embedding serves.
constexpr size_t kLogitRows = 16;

// Splits of plain float arrays fall on cache lines.
constexpr size_t kLineFloats = kCacheLineBytes / sizeof(float);

}  // namespace

Compute::Compute(const ModelConfig& config, const Kernels& kernels, ThreadPool* pool)
    : config_(config), kernels_(kernels), pool_(pool), rope_(config), scratch_(pool->size()) {
  for (Scratch& scratch : scratch_) {
    scratch.normed = AlignedBuffer<float>(std::max(config.dim, config.ffn_dim));
    scratch.scores = AlignedBuffer<float>(config.context);
    scratch.sums = AlignedBuffer<int32_t>(kSumsTile);
  }
}

void Compute::Run(size_t rows, absl::FunctionRef<void(Lane&)> body) {
  Reserve(rows);
  pool_->Run([&](size_t thread) {
    Lane lane(*this, thread);
    body(lane);
  });
}

void Compute::Reserve(size_t rows) {
  if (rows <= rows_) return;
  rows_ = rows;
  const size_t dim = config_.dim, kv_dim = config_.kv_dim(), ffn_dim = config_.ffn_dim;
  codes_ = AlignedBuffer<int8_t>(rows * std::max(dim, ffn_dim));
  code_sums_ = AlignedBuffer<int32_t>(rows);
  floats_ = AlignedBuffer<float>(rows * (2 * dim + 2 * kv_dim + 2 * ffn_dim + 1));
  float* next = floats_.data();
  const auto take = [&](size_t width) { return std::exchange(next, next + rows * width); };
  activations_ = {.x = {codes_.data(), code_sums_.data(), nullptr},
                  .q = take(dim),
                  .k = take(kv_dim),
                  .v = take(kv_dim),
                  .attended = take(dim),
                  .gate = take(ffn_dim),
                  .up = take(ffn_dim)};
  activations_.x.factors = take(1);
}

Lane::Lane(Compute& compute, size_t thread)
    : shared_(compute),
      config_(compute.config_),
      kernels_(compute.kernels_),
      scratch_(compute.scratch_[thread]),
      thread_(thread) {}

void Lane::NormAndQuantize(const float* from, const AlignedBuffer<float>& weight, size_t rows,
                           QuantizedRows& to) {
  const size_t width = weight.size();
  float* normed = scratch_.normed.data();
  const IndexRange share = Share(rows, 1);
  for (size_t row = share.begin; row < share.end; ++row) {
    kernels_.ops.rms_norm(from + row * width, weight.data(), config_.norm_eps, normed, width);
    to.factors[row] =
        kernels_.ops.quantize_row(normed, to.codes + row * width, &to.sums[row], width);
  }
  Sync();
}

void Lane::MultiplyShare(const QuantizedRows& x, size_t rows, const Projection& projection,
                         Output output) {
  const BitLinear& matrix = projection.matrix;
  tern::Multiply(matrix, Share(matrix.rows, kT2R16Rows), x, rows, kernels_, output,
                 scratch_.sums.data(), projection.out);
}

void Lane::Multiply(const QuantizedRows& x, size_t rows,
                    std::initializer_list<Projection> projections) {
  for (const Projection& p : projections) MultiplyShare(x, rows, p, Output::kStore);
  Sync();
}

void Lane::MultiplyAdd(const QuantizedRows& x, size_t rows, const Projection& projection) {
  MultiplyShare(x, rows, projection, Output::kAdd);
  Sync();
}

void Lane::RotateAndStore(std::span<const BatchRow> batch, uint32_t layer, float* q, float* k,
                          const float* v, KvCache& cache) {
  const size_t dim = config_.dim, kv_dim = config_.kv_dim();
  const IndexRange share = Share(batch.size(), 1);
  for (size_t row = share.begin; row < share.end; ++row) {
    shared_.rope_.Rotate(batch[row].position, config_.heads, q + row * dim);
    shared_.rope_.Rotate(batch[row].position, config_.kv_heads, k + row * kv_dim);
    StoreKeyValue(kernels_.ops, batch[row], Where(layer), k + row * kv_dim, v + row * kv_dim,
                  cache);
  }
  Sync();
}

// Heads outside, rows inside: a thread gets early and late rows alike, whose work grows with their
// position, and reads the same keys for one row after the other.
void Lane::Attend(std::span<const BatchRow> batch, uint32_t layer, const KvCache& cache,
                  const float* q, float* out) {
  const size_t rows = batch.size();
  const uint32_t heads_per_kv = config_.heads / config_.kv_heads;
  const IndexRange share = Share(config_.heads * rows, 1);
  for (size_t unit = share.begin; unit < share.end; ++unit) {
    const size_t row = unit % rows;
    const auto head = static_cast<uint32_t>(unit / rows);
    const size_t offset = row * config_.dim + size_t{head} * config_.head_dim;
    tern::Attend(kernels_.ops, batch[row], Where(layer), head / heads_per_kv, cache, q + offset,
                 scratch_.scores.data(), out + offset);
  }
  Sync();
}

void Lane::SquaredReluTimes(size_t rows, float* gate, const float* up) {
  const IndexRange share = Share(rows * config_.ffn_dim, kLineFloats);
  for (size_t i = share.begin; i < share.end; ++i) {
    const float positive = gate[i] > 0 ? gate[i] : 0;
    gate[i] = positive * positive * up[i];
  }
  Sync();
}

void Lane::Logits(const float* hidden, size_t rows, const AlignedBuffer<float>& norm,
                  const AlignedBuffer<uint16_t>& embedding, float* logits) {
  const VectorOps& ops = kernels_.ops;
  const size_t dim = config_.dim, vocab = config_.vocab;
  float* normed = activations().q;
  const IndexRange row_share = Share(rows, 1);
  for (size_t row = row_share.begin; row < row_share.end; ++row) {
    ops.rms_norm(hidden + row * dim, norm.data(), config_.norm_eps, normed + row * dim, dim);
  }
  Sync();
  const IndexRange share = Share(vocab, kT2R16Rows);  // the rows that this thread loaded
  for (size_t begin = 0; begin < rows; begin += kLogitRows) {
    const size_t end = std::min(rows, begin + kLogitRows);
    for (size_t token = share.begin; token < share.end; ++token) {
      const uint16_t* weights = embedding.data() + token * dim;
      for (size_t row = begin; row < end; ++row) {
        logits[row * vocab + token] = ops.dot_f16(weights, normed + row * dim, dim);
      }
    }
  }
  Sync();
}

}  // namespace tern
