// SPDX-License-Identifier: MIT
#include "worker/speed.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "formats/tensor.h"
#include "kernels/probe.h"
#include "model/head_screen.h"
#include "model/head_search.h"
#include "model/kv_cache.h"
#include "model/local_pages.h"
#include "model/transformer.h"
#include "model/weights.h"

namespace tern {
namespace {

using Clock = std::chrono::steady_clock;

// A step is repeated for so long, at least once more; the fastest counts, as whatever else the
// machine does only makes one slower.
constexpr std::chrono::duration<double> kRepeatFor(0.04);
// A step that would take longer is not run.
constexpr double kMostSeconds = 0.25;
// Rows of one sequence in a step: so few that attention hardly counts.
constexpr uint32_t kSequenceRows = 32;
// The step by which attention is measured, and what its rows attend to beside themselves.
constexpr uint32_t kAttentionRows = 64;
constexpr uint32_t kAttentionCached = 960;

// Layers of BitNet b1.58 2B-4T, enough of them that no cache of a usual size holds them, and a part
// of its head.
ModelConfig MeasuredConfig() {
  ModelConfig config;
  config.architecture = "bitnet-b1.58";
  config.sub_norms = true;
  config.vocab = 8192;
  config.dim = 2560;
  config.ffn_dim = 6912;
  config.layers = 4;
  config.heads = 20;
  config.kv_heads = 5;
  config.head_dim = 128;
  config.context = kAttentionCached + kAttentionRows;
  config.rope_theta = 500000;
  config.norm_eps = 1e-5f;
  return config;
}

// Every matrix from the same bytes: kernels take as long for them as for any. The head is of random
// numbers, because a search for its largest logits takes longer the more of them are near those.
class EvenTensors final : public TensorSource {
 public:
  explicit EvenTensors(const ModelConfig& config) {
    for (const TensorSpec& spec : StageTensorSpecs(config, {0, config.layers})) {
      const TensorType type = spec.role == TensorRole::kNorm     ? TensorType::kF32
                              : spec.role == TensorRole::kMatrix ? TensorType::kI2S
                                                                 : TensorType::kF16;
      const absl::StatusOr<uint64_t> bytes = TensorBytes(type, spec.shape);
      TERN_CHECK(bytes.ok());  // the shapes are ours
      tensors_.push_back({spec.name, type, spec.shape, *bytes});
      longest_ = std::max(longest_, *bytes);
    }
    bytes_ = AlignedBuffer<uint8_t>(longest_);
    // Zeros in I2_S, finite numbers in float32.
    std::memset(bytes_.data(), 0x55, longest_);
    halves_ = AlignedBuffer<uint16_t>(longest_ / sizeof(uint16_t));
    std::mt19937 random(1);
    // Of either sign, from 2^-5 to 2^-4.
    for (uint16_t& half : halves_) half = static_cast<uint16_t>((random() & 0x83ff) | 0x2800);
  }

  absl::StatusOr<TensorView> Find(absl::string_view name) const override {
    for (const TensorInfo& tensor : tensors_) {
      if (tensor.name != name) continue;
      const bool is_half = tensor.type == TensorType::kF16;
      const auto* halves = reinterpret_cast<const uint8_t*>(halves_.data());
      return TensorView{tensor, {is_half ? halves : bytes_.data(), tensor.bytes}};
    }
    return absl::NotFoundError(name);
  }

 private:
  std::vector<TensorInfo> tensors_;
  uint64_t longest_ = 0;
  AlignedBuffer<uint8_t> bytes_;
  AlignedBuffer<uint16_t> halves_;
};

// Seconds of the fastest of several runs.
template <typename Step>
double FastestSeconds(const Step& step) {
  const auto end = Clock::now() + kRepeatFor;
  double fastest = 1e9;
  for (int run = 0; run < 2 || Clock::now() < end; ++run) {
    const auto start = Clock::now();
    step();
    const std::chrono::duration<double> seconds = Clock::now() - start;
    fastest = std::min(fastest, std::max(seconds.count(), 1e-7));
    if (fastest > kMostSeconds) break;
  }
  return fastest;
}

// Seconds of steps of kMeasuredRows, each by `measure(rows)`; in proportion where that would take
// too long.
template <typename Measure>
RowSeconds MeasureRows(const Measure& measure) {
  RowSeconds times;
  for (size_t i = 0; i < kMeasuredRows.size(); ++i) {
    const double grows = i == 0 ? 0 : static_cast<double>(kMeasuredRows[i]) / kMeasuredRows[i - 1];
    const double expected = i == 0 ? 0 : times.seconds[i - 1] * grows;
    times.seconds[i] = expected > kMostSeconds ? expected : measure(kMeasuredRows[i]);
  }
  return times;
}

// The model, and room for the steps that are measured.
class MeasuredModel {
 public:
  static absl::StatusOr<MeasuredModel> Create(const ModelConfig& config, const Kernels& kernels,
                                              ThreadPool& pool) {
    const EvenTensors tensors(config);
    TERN_ASSIGN_OR_RETURN(std::unique_ptr<Transformer> transformer,
                          Transformer::Load(config, {0, config.layers}, tensors, kernels, &pool));
    const uint64_t pages = kMeasuredRows.back() / kKvPageTokens + KvPagesFor(config.context);
    TERN_ASSIGN_OR_RETURN(KvCache cache,
                          KvCache::Create(config, config.layers, pages, KvType::kF16));
    return MeasuredModel(std::move(transformer), std::move(cache));
  }

  // Seconds of all layers for `rows` rows of sequences that have `cached` tokens.
  double LayersSeconds(uint32_t rows, uint32_t cached, uint32_t sequence_rows) {
    std::vector<SequenceRows> batch;
    for (uint32_t row = 0; row < rows; row += sequence_rows) {
      batch.push_back({batch.size() + 1, cached, std::min(sequence_rows, rows - row)});
    }
    std::vector<float> hidden(size_t{rows} * config().dim);
    return FastestSeconds([&] {
      std::fill(hidden.begin(), hidden.end(), 1.0f);
      for (const SequenceRows& entry : batch) {
        pages_.Release(cache_, entry.sequence);
        TERN_CHECK(pages_.Reserve(cache_, entry.sequence, cached + entry.rows).ok());
        cache_.Advance(entry.sequence, cached);
      }
      TERN_CHECK(transformer_->Forward(batch, cache_, hidden.data()).ok());
      for (const SequenceRows& entry : batch) pages_.Release(cache_, entry.sequence);
    });
  }

  // As for sequences that take the likeliest token.
  double HeadSeconds(uint32_t rows) {
    std::vector<float> hidden(size_t{rows} * config().dim);
    std::mt19937 random(2);
    for (float& x : hidden) x = static_cast<float>(random()) * 0x1p-31f - 1;
    if (transformer_->CanFindTop(1)) {
      const std::vector<TopRequest> requests(rows);
      return FastestSeconds([&] { transformer_->TopLogits(hidden, requests); });
    }
    std::vector<float> logits(size_t{rows} * config().vocab);
    return FastestSeconds([&] { transformer_->Logits(hidden, logits.data()); });
  }

  const ModelConfig& config() const { return transformer_->config(); }

 private:
  MeasuredModel(std::unique_ptr<Transformer> transformer, KvCache cache)
      : transformer_(std::move(transformer)), cache_(std::move(cache)), pages_(cache_.pages()) {}

  std::unique_ptr<Transformer> transformer_;
  KvCache cache_;
  LocalPages pages_;
};

ProbeKernel BestProbe() {
  for (const ProbeKernel& probe : ProbeKernels()) {
    if (CpuSupports(probe.isa)) return probe;
  }
  TERN_CHECK(false);  // the portable one runs everywhere
  return {};
}

// Bytes a second.
double MeasureReading(ThreadPool& pool) {
  constexpr size_t kBytes = size_t{64} << 20;
  const ProbeKernel probe = BestProbe();
  AlignedBuffer<uint8_t> bytes(kBytes);
  const auto part = [&](size_t thread) {
    return SplitRange(kBytes, kProbeBlockBytes, thread, pool.size());
  };
  // Every thread writes its part first, so that the pages lie next to it.
  pool.Run([&](size_t thread) {
    std::memset(bytes.data() + part(thread).begin, 1, part(thread).size());
  });
  std::atomic<uint64_t> sink = 0;
  const double seconds = FastestSeconds([&] {
    pool.Run([&](size_t thread) {
      sink += probe.read(bytes.data() + part(thread).begin, part(thread).size());
    });
  });
  return kBytes / seconds;
}

// Weights of the ternary matrices of a layer.
double WeightsOfLayer(const ModelConfig& config) {
  double weights = 0;
  for (const TensorSpec& tensor : LayerTensors(config, 0)) {
    if (tensor.role != TensorRole::kMatrix) continue;
    weights += static_cast<double>(tensor.shape[0]) * static_cast<double>(tensor.shape[1]);
  }
  return weights;
}

}  // namespace

absl::StatusOr<WorkerSpeed> MeasureSpeed(const Kernels& kernels, ThreadPool& pool) {
  constexpr double kGiga = 1e9;
  const ModelConfig config = MeasuredConfig();
  // A head is screened as one of a usual size would be, unless none is.
  Kernels as_large = kernels;
  if (as_large.screen_from_rows == kScreenFromRows) as_large.screen_from_rows = 0;
  TERN_ASSIGN_OR_RETURN(MeasuredModel model, MeasuredModel::Create(config, as_large, pool));
  const double weights = WeightsOfLayer(config) * config.layers;
  WorkerSpeed speed;
  speed.ternary =
      MeasureRows([&](uint32_t rows) { return model.LayersSeconds(rows, 0, kSequenceRows); });
  const double attention_step =
      model.LayersSeconds(kAttentionRows, kAttentionCached, kAttentionRows);
  const double products = 2.0 * config.q_dim() * kAttentionRows * kAttentionCached * config.layers;
  // Of two noisy times: never less than a tenth of the larger.
  speed.attention =
      std::max(attention_step - speed.ternary.For(kAttentionRows), attention_step / 10) / products *
      kGiga;
  for (double& seconds : speed.ternary.seconds) seconds *= kGiga / weights;
  speed.dense = MeasureRows([&](uint32_t rows) { return model.HeadSeconds(rows); });
  const auto head_bytes = static_cast<double>(ScreenBytes(config.vocab, config.dim));
  for (double& seconds : speed.dense.seconds) seconds *= kGiga / head_bytes;
  speed.read_bytes_per_second = MeasureReading(pool);
  return speed;
}

}  // namespace tern
