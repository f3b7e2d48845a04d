// SPDX-License-Identifier: MIT
#include "model/compute.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/log.h"
#include "kernels/t2r16.h"

namespace tern {
namespace {

size_t LargestWidth(const ModelConfig& config) {
  return std::max({config.dim, config.ffn_dim, config.q_dim()});
}

// Whether an input prepared for `a` serves `b` too.
bool SharesInput(const BitLinear& a, const BitLinear& b) {
  return a.input_norm.empty() && b.input_norm.empty() && a.rotated == b.rotated &&
         a.group_cols == b.group_cols;
}

GateActivation ActivationOf(Activation activation, const VectorOps& ops) {
  switch (activation) {
    case Activation::kSquaredRelu:
      return ops.squared_relu_times;
    case Activation::kSilu:
      return ops.silu_times;
    case Activation::kGelu:
      return ops.gelu_times;
  }
  return nullptr;
}

}  // namespace

Compute::Compute(const ModelConfig& config, const Kernels& kernels, ThreadPool* pool)
    : config_(config),
      kernels_(kernels),
      pool_(pool),
      rope_(config, RopeKind::kGlobal),
      scratch_(pool->size()) {
  if (config.sliding_window > 0) local_rope_.emplace(config, RopeKind::kLocal);
  attention_scratch_.reserve(pool->size());
  for (size_t i = 0; i < pool->size(); ++i) attention_scratch_.emplace_back(config);
  for (Scratch& scratch : scratch_) {
    scratch.normed = AlignedBuffer<float>(LargestWidth(config));
    scratch.prepared = AlignedBuffer<float>(LargestWidth(config));
    scratch.sums = AlignedBuffer<int32_t>(kSumsTile);
    scratch.products = AlignedBuffer<float>(kSumsTile);
    scratch.factors = AlignedBuffer<float>(kSumsTile);
    scratch.head_rows = AlignedBuffer<float>(kDotRows * config.dim);
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
  const size_t dim = config_.dim, q_dim = config_.q_dim(), kv_dim = config_.kv_dim();
  const size_t ffn_dim = config_.ffn_dim, width = LargestWidth(config_);
  // No group is smaller than a tile's columns.
  const size_t sums = std::max<size_t>(1, width / kT2R16Cols);
  const size_t codes_size = rows * CodesStride(width);  // of one digit of one input
  codes_ = {};                                          // before there are others
  code_sums_ = {};
  floats_ = {};
  codes_ = AlignedBuffer<int8_t>(kInputs * kWideDigits * codes_size);
  code_sums_ = AlignedBuffer<int32_t>(kInputs * rows * sums);
  floats_ = AlignedBuffer<float>(rows * (2 * q_dim + 2 * kv_dim + ffn_dim + dim + kInputs));
  float* next = floats_.data();
  const auto take = [&](size_t columns) { return std::exchange(next, next + rows * columns); };
  activations_ = {.q = take(q_dim),
                  .k = take(kv_dim),
                  .v = take(kv_dim),
                  .attended = take(q_dim),
                  .gated = take(ffn_dim),
                  .projected = take(dim)};
  for (size_t i = 0; i < kInputs; ++i) {
    int8_t* codes = codes_.data() + i * kWideDigits * codes_size;
    inputs_[i] = {.codes = {codes, codes + codes_size, codes + 2 * codes_size},
                  .sums = code_sums_.data() + i * rows * sums,
                  .factors = take(1)};
  }
}

Lane::Lane(Compute& compute, size_t thread)
    : shared_(compute),
      config_(compute.config_),
      kernels_(compute.kernels_),
      scratch_(compute.scratch_[thread]),
      thread_(thread) {}

const float* Lane::Normed(const float* x, const NormWeights& norm, size_t width) {
  if (norm.empty()) return x;
  kernels_.ops.rms_norm(x, norm.data(), config_.norm_eps, scratch_.normed.data(), width);
  return scratch_.normed.data();
}

void Lane::PrepareRow(const BitLinear& matrix, const float* x, size_t row, QuantizedRows& to) {
  float* prepared = scratch_.prepared.data();
  if (!matrix.input_norm.empty()) {
    kernels_.ops.rms_norm(x, matrix.input_norm.data(), config_.norm_eps, prepared, matrix.cols);
    x = prepared;
  }
  if (matrix.rotated) {
    if (x != prepared) std::copy_n(x, matrix.cols, prepared);
    const auto width = static_cast<uint32_t>(matrix.cols);
    Rotate(config_.rotation.block_cols, config_.rotation.Signs(width), prepared, matrix.cols);
    x = prepared;
  }
  QuantizeInput(matrix, x, row, kernels_, to);
}

Lane::Inputs Lane::Prepare(const float* from, const NormWeights& norm, size_t rows,
                           std::span<const BitLinear* const> matrices) {
  TERN_CHECK(matrices.size() <= Compute::kInputs);
  const size_t width = matrices[0]->cols;
  Inputs inputs = {};
  // The first matrix of each input that differs from the one before, and that input.
  std::array<const BitLinear*, Compute::kInputs> firsts = {};
  Inputs distinct = shared_.inputs_;
  size_t count = 0;
  for (size_t i = 0; i < matrices.size(); ++i) {
    if (i == 0 || !SharesInput(*firsts[count - 1], *matrices[i])) {
      distinct[count].stride = CodesStride(width);
      firsts[count++] = matrices[i];
    }
    inputs[i] = distinct[count - 1];
  }
  const IndexRange share = Share(rows, 1);
  for (size_t row = share.begin; row < share.end; ++row) {
    const float* normed = Normed(from + row * width, norm, width);
    for (size_t i = 0; i < count; ++i) PrepareRow(*firsts[i], normed, row, distinct[i]);
  }
  Sync();
  return inputs;
}

void Lane::Project(const float* from, const NormWeights& norm, size_t rows,
                   std::initializer_list<Projection> projections, Output output) {
  std::array<const BitLinear*, Compute::kInputs> matrices = {};
  size_t count = 0;
  for (const Projection& p : projections) matrices[count++] = &p.matrix;
  const Inputs inputs = Prepare(from, norm, rows, std::span(matrices).first(count));
  size_t i = 0;
  for (const Projection& p : projections) {
    Multiply(p.matrix, Share(p.matrix.rows, kRowSplit), inputs[i++], rows, kernels_, output,
             scratch_.multiply(), p.out);
  }
  Sync();
}

void Lane::ProjectGated(const float* from, const NormWeights& norm, size_t rows,
                        const BitLinear& gate, const BitLinear& up) {
  const BitLinear* const matrices[] = {&gate, &up};
  const Inputs inputs = Prepare(from, norm, rows, matrices);
  MultiplyGated(gate, inputs[0], up, inputs[1], Share(gate.rows, kRowSplit), rows, kernels_,
                ActivationOf(config_.activation, kernels_.ops), scratch_.multiply(),
                shared_.activations_.gated);
  Sync();
}

void Lane::NormAndAdd(const float* from, const NormWeights& norm, size_t rows, float* h) {
  const size_t dim = config_.dim;
  const IndexRange share = Share(rows, 1);
  for (size_t row = share.begin; row < share.end; ++row) {
    const float* normed = Normed(from + row * dim, norm, dim);
    for (size_t col = 0; col < dim; ++col) h[row * dim + col] += normed[col];
  }
  Sync();
}

KvLayer Lane::Where(uint32_t layer, uint32_t cached) const {
  const float scale =
      config_.attention_scale > 0
          ? config_.attention_scale
          : static_cast<float>(1.0 / std::sqrt(static_cast<double>(config_.head_dim)));
  return {.layer = cached,
          .kv_heads = config_.kv_heads,
          .group = config_.heads / config_.kv_heads,
          .head_dim = config_.head_dim,
          .window = config_.is_local(layer) ? config_.sliding_window : 0,
          .scale = scale};
}

void Lane::RotateAndStore(std::span<const BatchRow> batch, uint32_t layer, uint32_t cached,
                          const NormWeights& q_norm, const NormWeights& k_norm, KvCache& cache) {
  const Activations& a = shared_.activations_;
  const size_t q_dim = config_.q_dim(), kv_dim = config_.kv_dim(), head_dim = config_.head_dim;
  const RopeTables& rope = shared_.rope(layer);
  const auto normalise = [&](const NormWeights& norm, float* heads, size_t width) {
    for (size_t begin = 0; !norm.empty() && begin < width; begin += head_dim) {
      kernels_.ops.rms_norm(heads + begin, norm.data(), config_.norm_eps, heads + begin, head_dim);
    }
  };
  const IndexRange share = Share(batch.size(), 1);
  for (size_t row = share.begin; row < share.end; ++row) {
    float* q = a.q + row * q_dim;
    float* k = a.k + row * kv_dim;
    normalise(q_norm, q, q_dim);
    normalise(k_norm, k, kv_dim);
    rope.Rotate(batch[row].position, config_.heads, q);
    rope.Rotate(batch[row].position, config_.kv_heads, k);
    StoreKeyValue(kernels_.ops, batch[row], Where(layer, cached), k, a.v + row * kv_dim, cache);
  }
  Sync();
}

void Lane::Attend(std::span<const BatchRow> batch, uint32_t layer, uint32_t cached,
                  const KvCache& cache) {
  const Activations& a = shared_.activations_;
  const BatchAttention attention(kernels_.attention, batch, Where(layer, cached), cache,
                                 shared_.attention_scratch_, a.q, a.attended);
  attention.Run(thread_);
  Sync();
  attention.Finish(thread_);
  Sync();
}

void Lane::Norm(const float* hidden, const NormWeights& norm, size_t rows, float* out) {
  const size_t dim = config_.dim;
  const IndexRange share = Share(rows, 1);
  for (size_t row = share.begin; row < share.end; ++row) {
    kernels_.ops.rms_norm(hidden + row * dim, norm.data(), config_.norm_eps, out + row * dim, dim);
  }
  Sync();
}

void Lane::Logits(const float* normed, size_t rows, const EmbeddingTable& head, float* logits) {
  if (IsTernary(head.type)) {
    static const NormWeights kNone;
    Project(normed, kNone, rows, {{head.ternary, logits}});
    return;
  }
  // The rows that this thread loaded.
  const IndexRange share = Share(head.rows, kRowSplit);
  DotRows(head, share, normed, rows, kernels_.ops, scratch_.head_rows.data(), logits);
  Sync();
}

void Lane::TopLogits(const float* normed, const EmbeddingTable& head, const HeadScreen& screen,
                     HeadSearch& search) {
  search.Run(thread_, *shared_.pool_, head, screen, kernels_, normed);
}

}  // namespace tern
