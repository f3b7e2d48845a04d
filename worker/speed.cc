// SPDX-License-Identifier: MIT
#include "worker/speed.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/cache_eviction.h"
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

// Everything is measured once after the other, again and again for so long, and so often at least,
// but no more once that took too long. The median counts: a plan is for what the machine usually
// does, not for its best moment.
constexpr std::chrono::duration<double> kMeasureFor(1);
constexpr int kLeastPasses = 3;
constexpr std::chrono::duration<double> kTooLong(10);
// A step that would take longer is not run.
constexpr double kMostSeconds = 0.25;
// Rows of one sequence in a step: so few that attention hardly counts.
constexpr uint32_t kSequenceRows = 32;
// The step by which attention is measured, and what its rows attend to beside themselves.
constexpr uint32_t kAttentionRows = 64;
constexpr uint32_t kAttentionCached = 4032;

// Layers of BitNet b1.58 2B-4T and a part of its head.
ModelConfig MeasuredConfig() {
  ModelConfig config;
  config.architecture = "bitnet-b1.58";
  config.sub_norms = true;
  config.vocab = 32768;
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

// A search for the largest logits computes rows near them in full, about as many in a large head as
// in a small one. As the head is a quarter of a usual one, only every fourth row is a large one.
constexpr size_t kLargeRowEvery = 4;

// Every matrix from the same bytes: kernels take as long for them as for any. Norms do not scale.
// The head is of random numbers.
class EvenTensors final : public TensorSource {
 public:
  explicit EvenTensors(const ModelConfig& config) {
    std::map<TensorType, uint64_t> longest;
    for (const TensorSpec& spec : StageTensorSpecs(config, {0, config.layers})) {
      const TensorType type = spec.role == TensorRole::kNorm     ? TensorType::kF32
                              : spec.role == TensorRole::kMatrix ? TensorType::kI2S
                                                                 : TensorType::kF16;
      const absl::StatusOr<uint64_t> bytes = TensorBytes(type, spec.shape);
      TERN_CHECK(bytes.ok());  // the shapes are ours
      tensors_.push_back({spec.name, type, spec.shape, *bytes});
      longest[type] = std::max(longest[type], *bytes);
    }
    for (const auto& [type, bytes] : longest) {
      bytes_[type] = std::make_shared<AlignedBuffer<uint8_t>>(bytes);
    }
    AlignedBuffer<uint8_t>& trits = *bytes_[TensorType::kI2S];
    std::memset(trits.data(), 0x55, trits.size());  // zeros
    const std::span<float> norms = As<float>(TensorType::kF32);
    std::fill(norms.begin(), norms.end(), 1.0f);
    FillHead(As<uint16_t>(TensorType::kF16), config.dim);
  }

  absl::StatusOr<TensorView> Find(absl::string_view name) const override {
    for (const TensorInfo& tensor : tensors_) {
      if (tensor.name != name) continue;
      const auto& bytes = bytes_.at(tensor.type);
      // As if they were mapped from a file: a head is then kept where it is.
      return TensorView{tensor, {bytes->data(), tensor.bytes}, bytes, /*is_mapped=*/true};
    }
    return absl::NotFoundError(name);
  }

 private:
  template <typename T>
  std::span<T> As(TensorType type) {
    AlignedBuffer<uint8_t>& bytes = *bytes_[type];
    return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
  }

  static void FillHead(std::span<uint16_t> halves, size_t cols) {
    std::vector<uint16_t> random(100'003);  // no multiple of any row
    std::mt19937 generator(1);
    for (uint16_t& bits : random) bits = static_cast<uint16_t>(generator());
    for (size_t i = 0; i < halves.size(); ++i) {
      // Of either sign, from 2^-5 to 2^-4 or half as large.
      const uint32_t exponent = i / cols % kLargeRowEvery == 0 ? 0x2800 : 0x2400;
      halves[i] = static_cast<uint16_t>((random[i % random.size()] & 0x83ff) | exponent);
    }
  }

  std::vector<TensorInfo> tensors_;
  std::map<TensorType, std::shared_ptr<AlignedBuffer<uint8_t>>> bytes_;  // for any tensor of a type
};

// Of one thing, run after run.
class Samples {
 public:
  void Add(double seconds) { seconds_.push_back(seconds); }
  // REQUIRES one at least.
  double Median() const {
    std::vector<double> seconds = seconds_;
    const auto middle = seconds.begin() + static_cast<ptrdiff_t>(seconds.size() / 2);
    std::nth_element(seconds.begin(), middle, seconds.end());
    return *middle;
  }

 private:
  std::vector<double> seconds_;
};

using RowSamples = std::array<Samples, kMeasuredRows.size()>;

RowSeconds Medians(const RowSamples& samples) {
  RowSeconds medians;
  for (size_t i = 0; i < samples.size(); ++i) medians.seconds[i] = samples[i].Median();
  return medians;
}

struct Times {
  RowSamples layers, head;
  Samples attention, attention_q8, reading;
};

template <typename Step>
double SecondsOf(const Step& step) {
  const auto start = Clock::now();
  step();
  const std::chrono::duration<double> seconds = Clock::now() - start;
  return std::max(seconds.count(), 1e-7);
}

// Steps of kMeasuredRows, each by `measure(rows)`; in proportion where that would take too long.
template <typename Measure>
void MeasureRows(const Measure& measure, RowSamples& samples) {
  for (size_t i = 0; i < kMeasuredRows.size(); ++i) {
    const double grows = i == 0 ? 0 : static_cast<double>(kMeasuredRows[i]) / kMeasuredRows[i - 1];
    const double expected = i == 0 ? 0 : samples[i - 1].Median() * grows;
    samples[i].Add(expected > kMostSeconds ? expected : measure(kMeasuredRows[i]));
  }
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
    TERN_ASSIGN_OR_RETURN(KvCache floats,
                          KvCache::Create(config, config.layers, pages, KvType::kF16));
    TERN_ASSIGN_OR_RETURN(KvCache q8, KvCache::Create(config, config.layers, pages, KvType::kQ8));
    return MeasuredModel(std::move(transformer), std::move(floats), std::move(q8));
  }

  // Seconds of all layers for `rows` rows of new sequences.
  double LayersSeconds(uint32_t rows) { return StepSeconds(floats_, rows, 0, kSequenceRows); }

  // The same for a sequence that has much to attend to.
  double AttentionSeconds(KvType type) {
    return StepSeconds(type == KvType::kQ8 ? q8_ : floats_, kAttentionRows, kAttentionCached,
                       kAttentionRows);
  }

  // As for sequences that take the likeliest token.
  double HeadSeconds(uint32_t rows) {
    std::vector<float> hidden(size_t{rows} * config().dim);
    std::mt19937 random(2);
    for (float& x : hidden) x = static_cast<float>(random()) * 0x1p-31f - 1;
    transformer_->EvictWeights();
    if (transformer_->CanFindTop(1)) {
      const std::vector<TopRequest> requests(rows);
      return SecondsOf([&] { transformer_->TopLogits(hidden, requests); });
    }
    std::vector<float> logits(size_t{rows} * config().vocab);
    return SecondsOf([&] { transformer_->Logits(hidden, logits.data()); });
  }

  const ModelConfig& config() const { return transformer_->config(); }

 private:
  MeasuredModel(std::unique_ptr<Transformer> transformer, KvCache floats, KvCache q8)
      : transformer_(std::move(transformer)), floats_(std::move(floats)), q8_(std::move(q8)) {}

  // Sequences have `cached` tokens before the step, and `sequence_rows` rows in it.
  double StepSeconds(KvCache& cache, uint32_t rows, uint32_t cached, uint32_t sequence_rows) {
    LocalPages pages(cache.pages());
    std::vector<SequenceRows> batch;
    for (uint32_t row = 0; row < rows; row += sequence_rows) {
      batch.push_back({batch.size() + 1, cached, std::min(sequence_rows, rows - row)});
    }
    std::vector<float> hidden(size_t{rows} * config().dim);
    std::fill(hidden.begin(), hidden.end(), 1.0f);
    for (const SequenceRows& entry : batch) {
      TERN_CHECK(pages.Reserve(cache, entry.sequence, cached + entry.rows).ok());
      cache.Advance(entry.sequence, cached);
    }
    transformer_->EvictWeights();
    const double seconds =
        SecondsOf([&] { TERN_CHECK(transformer_->Forward(batch, cache, hidden.data()).ok()); });
    for (const SequenceRows& entry : batch) pages.Release(cache, entry.sequence);
    return seconds;
  }

  std::unique_ptr<Transformer> transformer_;
  KvCache floats_, q8_;
};

ProbeKernel BestProbe() {
  for (const ProbeKernel& probe : ProbeKernels()) {
    if (CpuSupports(probe.isa)) return probe;
  }
  TERN_CHECK(false);  // the portable one runs everywhere
  return {};
}

class MeasuredReading {
 public:
  static constexpr size_t kBytes = size_t{64} << 20;

  explicit MeasuredReading(ThreadPool& pool) : pool_(pool), bytes_(kBytes) {
    // Every thread writes its part first, so that the pages lie next to it.
    pool_.Run([&](size_t thread) {
      std::memset(bytes_.data() + Part(thread).begin, 1, Part(thread).size());
    });
  }

  double Seconds() {
    EvictFromCaches({bytes_.data(), bytes_.size()});
    return SecondsOf([&] {
      pool_.Run([&](size_t thread) {
        sink_ += probe_.read(bytes_.data() + Part(thread).begin, Part(thread).size());
      });
    });
  }

 private:
  IndexRange Part(size_t thread) const {
    return SplitRange(kBytes, kProbeBlockBytes, thread, pool_.size());
  }

  ThreadPool& pool_;
  const ProbeKernel probe_ = BestProbe();
  AlignedBuffer<uint8_t> bytes_;
  std::atomic<uint64_t> sink_ = 0;
};

// Weights of the ternary matrices of a layer.
double WeightsOfLayer(const ModelConfig& config) {
  double weights = 0;
  for (const TensorSpec& tensor : LayerTensors(config, 0)) {
    if (tensor.role != TensorRole::kMatrix) continue;
    weights += static_cast<double>(tensor.shape[0]) * static_cast<double>(tensor.shape[1]);
  }
  return weights;
}

WorkerSpeed SpeedOf(const ModelConfig& config, const Times& times) {
  constexpr double kGiga = 1e9;
  const double weights = WeightsOfLayer(config) * config.layers;
  const auto head_bytes = static_cast<double>(ScreenBytes(config.vocab, config.dim));
  const double products = 2.0 * config.q_dim() * kAttentionRows * kAttentionCached * config.layers;
  const RowSeconds layers = Medians(times.layers), head = Medians(times.head);
  WorkerSpeed speed;
  for (size_t i = 0; i < kMeasuredRows.size(); ++i) {
    speed.ternary.seconds[i] = layers.seconds[i] * kGiga / weights;
    speed.dense.seconds[i] = head.seconds[i] * kGiga / head_bytes;
  }
  // Of two noisy times: never less than a tenth of the larger.
  const auto per_product = [&](double seconds) {
    const double attention = std::max(seconds - layers.For(kAttentionRows), seconds / 10);
    return attention * kGiga / products;
  };
  speed.attention = per_product(times.attention.Median());
  speed.attention_q8 = per_product(times.attention_q8.Median());
  speed.read_bytes_per_second = MeasuredReading::kBytes / times.reading.Median();
  return speed;
}

}  // namespace

absl::StatusOr<WorkerSpeed> MeasureSpeed(const Kernels& kernels, ThreadPool& pool) {
  const ModelConfig config = MeasuredConfig();
  // A head is screened as one of a usual size would be, unless none is.
  Kernels as_large = kernels;
  if (as_large.screen_from_rows == kScreenFromRows) as_large.screen_from_rows = 0;
  TERN_ASSIGN_OR_RETURN(MeasuredModel model, MeasuredModel::Create(config, as_large, pool));
  MeasuredReading reading(pool);
  Times times;
  const auto start = Clock::now();
  const auto is_enough = [&start](int passes) {
    return Clock::now() - start > (passes < kLeastPasses ? kTooLong : kMeasureFor);
  };
  for (int pass = 0; !is_enough(pass); ++pass) {
    MeasureRows([&](uint32_t rows) { return model.LayersSeconds(rows); }, times.layers);
    MeasureRows([&](uint32_t rows) { return model.HeadSeconds(rows); }, times.head);
    times.attention.Add(model.AttentionSeconds(KvType::kF16));
    times.attention_q8.Add(model.AttentionSeconds(KvType::kQ8));
    times.reading.Add(reading.Seconds());
  }
  return SpeedOf(config, times);
}

}  // namespace tern
