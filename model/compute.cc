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

Activations& Compute::Reserve(size_t rows) {
  if (rows <= rows_) return activations_;
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
  return activations_;
}

void Compute::NormAndQuantize(const float* from, const AlignedBuffer<float>& weight, size_t rows,
                              QuantizedRows& to) {
  const VectorOps& ops = kernels_.ops;
  const size_t width = weight.size();
  pool_->Run([&](size_t thread) {
    float* normed = scratch_[thread].normed.data();
    const IndexRange share = Share(rows, 1, thread);
    for (size_t row = share.begin; row < share.end; ++row) {
      ops.rms_norm(from + row * width, weight.data(), config_.norm_eps, normed, width);
      to.factors[row] = ops.quantize_row(normed, to.codes + row * width, &to.sums[row], width);
    }
  });
}

void Compute::Multiply(const QuantizedRows& x, size_t rows,
                       std::initializer_list<Projection> projections) {
  pool_->Run([&](size_t thread) {
    for (const Projection& p : projections) {
      tern::Multiply(p.matrix, Share(p.matrix.rows, kT2R16Rows, thread), x, rows, kernels_,
                     Output::kStore, scratch_[thread].sums.data(), p.out);
    }
  });
}

void Compute::MultiplyAdd(const QuantizedRows& x, size_t rows, const Projection& projection) {
  const BitLinear& matrix = projection.matrix;
  pool_->Run([&](size_t thread) {
    tern::Multiply(matrix, Share(matrix.rows, kT2R16Rows, thread), x, rows, kernels_, Output::kAdd,
                   scratch_[thread].sums.data(), projection.out);
  });
}

void Compute::RotateAndStore(std::span<const BatchRow> batch, uint32_t layer, float* q, float* k,
                             const float* v, KvCache& cache) {
  const size_t dim = config_.dim, kv_dim = config_.kv_dim();
  pool_->Run([&](size_t thread) {
    const IndexRange share = Share(batch.size(), 1, thread);
    for (size_t row = share.begin; row < share.end; ++row) {
      rope_.Rotate(batch[row].position, config_.heads, q + row * dim);
      rope_.Rotate(batch[row].position, config_.kv_heads, k + row * kv_dim);
      StoreKeyValue(kernels_.ops, batch[row], Where(layer), k + row * kv_dim, v + row * kv_dim,
                    cache);
    }
  });
}

// Heads outside, rows inside: a thread gets early and late rows alike, whose work grows with their
// position, and reads the same keys for one row after the other.
void Compute::Attend(std::span<const BatchRow> batch, uint32_t layer, const KvCache& cache,
                     const float* q, float* out) {
  const size_t rows = batch.size(), heads_per_kv = config_.heads / config_.kv_heads;
  pool_->Run([&](size_t thread) {
    const IndexRange share = Share(config_.heads * rows, 1, thread);
    for (size_t unit = share.begin; unit < share.end; ++unit) {
      const size_t head = unit / rows, row = unit % rows;
      const size_t offset = row * config_.dim + head * config_.head_dim;
      tern::Attend(kernels_.ops, batch[row], Where(layer),
                   static_cast<uint32_t>(head / heads_per_kv), cache, q + offset,
                   scratch_[thread].scores.data(), out + offset);
    }
  });
}

void Compute::SquaredReluTimes(size_t rows, float* gate, const float* up) {
  pool_->Run([&](size_t thread) {
    const IndexRange share = Share(rows * config_.ffn_dim, kLineFloats, thread);
    for (size_t i = share.begin; i < share.end; ++i) {
      const float positive = gate[i] > 0 ? gate[i] : 0;
      gate[i] = positive * positive * up[i];
    }
  });
}

void Compute::Logits(const float* hidden, size_t rows, const AlignedBuffer<float>& norm,
                     const AlignedBuffer<uint16_t>& embedding, float* logits) {
  const size_t dim = config_.dim, vocab = config_.vocab;
  for (size_t begin = 0; begin < rows; begin += kLogitRows) {
    const size_t count = std::min(kLogitRows, rows - begin);
    float* normed = Reserve(kLogitRows).q;
    for (size_t row = 0; row < count; ++row) {
      kernels_.ops.rms_norm(hidden + (begin + row) * dim, norm.data(), config_.norm_eps,
                            normed + row * dim, dim);
    }
    pool_->Run([&](size_t thread) {
      const IndexRange share = Share(vocab, kLineFloats, thread);
      for (size_t token = share.begin; token < share.end; ++token) {
        for (size_t row = 0; row < count; ++row) {
          logits[(begin + row) * vocab + token] =
              kernels_.ops.dot_f16(embedding.data() + token * dim, normed + row * dim, dim);
        }
      }
    });
  }
}

}  // namespace tern
