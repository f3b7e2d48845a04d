// SPDX-License-Identifier: MIT
#include "partition/cost_model.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "formats/tensor.h"
#include "kernels/group_gemm.h"
#include "model/weights.h"

namespace tern {
namespace {

constexpr double kGiga = 1e9;
constexpr double kMostPromptRatio = 1000;

double Weights(const TensorSpec& tensor) {
  double weights = 1;
  for (const uint64_t extent : tensor.shape) weights *= static_cast<double>(extent);
  return weights;
}

// The sum of min(position + i, most) for i = 1..rows.
uint64_t SumOfKeys(uint64_t position, uint64_t rows, uint64_t most) {
  const uint64_t growing = position >= most ? 0 : std::min(rows, most - position);
  return growing * position + growing * (growing + 1) / 2 + (rows - growing) * most;
}

absl::Status CheckOptions(const PlanOptions& options) {
  if (!(options.memory_share > 0 && options.memory_share <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("memory share: found ", options.memory_share, ", want above 0, at most 1"));
  }
  if (options.streams == 0) {
    return absl::InvalidArgumentError("streams: found 0, want at least 1");
  }
  if (!std::isfinite(options.min_tokens_per_second) || options.min_tokens_per_second < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tokens a second: found ", options.min_tokens_per_second, ", want a number from 0"));
  }
  if (!(options.prompt_ratio >= 0 && options.prompt_ratio <= kMostPromptRatio)) {
    return absl::InvalidArgumentError(absl::StrCat("prompt ratio: found ", options.prompt_ratio,
                                                   ", want 0 to ", kMostPromptRatio));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CostModel> CostModel::Create(const ModelConfig& config, ClusterProfile cluster,
                                            const PlanOptions& options) {
  TERN_RETURN_IF_ERROR(Validate(cluster));
  TERN_RETURN_IF_ERROR(CheckOptions(options));
  return CostModel(config, std::move(cluster), options);
}

CostModel::CostModel(const ModelConfig& config, ClusterProfile cluster, const PlanOptions& options)
    : config_(config),
      cluster_(std::move(cluster)),
      options_(options),
      kv_pages_(KvPagesFor(std::max<uint64_t>(options.kv_tokens, config.context))),
      local_before_(config.layers + 1),
      has_pairs_(cluster_.workers.size()) {
  for (const TensorSpec& tensor : LayerTensors(config, 0)) {
    if (tensor.role == TensorRole::kMatrix) layer_weights_ += Weights(tensor);
  }
  for (uint32_t layer = 0; layer < config.layers; ++layer) {
    local_before_[layer + 1] = local_before_[layer] + (config.is_local(layer) ? 1 : 0);
  }
  embedding_row_ = LoadedBytes(config, EmbeddingTensor(config)) / config.vocab;
  head_read_ = LoadedBytes(config, OutputNormTensor(config));
  if (config.has_head) {
    const uint64_t screen = HeadScreenBytes(config);
    head_read_ += screen > 0 ? screen : LoadedBytes(config, HeadTensor(config));
    if (IsTernary(config.head_type)) head_weights_ = Weights(HeadTensor(config));
  }

  // A stage with both ends holds a tied embedding once: hence no sum of the two.
  ModelConfig one = config, three = config;
  one.layers = 1;
  three.layers = 3;
  layer_held_ = tern::WeightBytes(three, {1, 2});
  first_held_ = tern::WeightBytes(three, {0, 1}) - layer_held_;
  last_held_ = tern::WeightBytes(three, {2, 3}) - layer_held_;
  both_held_ = tern::WeightBytes(one, {0, 1}) - layer_held_;
  const uint64_t page = KvPageBytes(config, 1, options.kv_type);
  layer_kv_ = kv_pages_ * page;
  kv_token_ = page / kKvPageTokens;

  for (const WorkerProfile& worker : cluster_.workers) {
    usable_.push_back(
        static_cast<uint64_t>(static_cast<double>(worker.memory_bytes) * options.memory_share));
  }
  for (const PairLink& pair : cluster_.pairs) {
    pairs_[{pair.from, pair.to}] = pair.speed;
    has_pairs_[pair.from] = has_pairs_[pair.to] = true;
  }
}

void CostModel::AddRows(uint64_t position, uint64_t rows, uint64_t sampled, StepShape& step) const {
  const uint64_t window = config_.sliding_window > 0 ? config_.sliding_window : UINT32_MAX;
  step.rows += rows;
  step.sampled += sampled;
  step.attended += SumOfKeys(position, rows, UINT32_MAX);
  step.attended_window += SumOfKeys(position, rows, window);
  step.cached += position + rows;
  step.cached_window += std::min(position, window) + rows;
}

StepShape CostModel::DecodeStep(uint64_t streams) const {
  StepShape one;
  AddRows(std::min<uint64_t>(options_.cached_tokens, config_.context - 1), 1, 1, one);
  return {.rows = streams,
          .sampled = streams,
          .attended = one.attended * streams,
          .attended_window = one.attended_window * streams,
          .cached = one.cached * streams,
          .cached_window = one.cached_window * streams};
}

// Rows of one prompt, half of which is there.
StepShape CostModel::LoadedStep(uint64_t streams) const {
  StepShape step = DecodeStep(streams);
  const double rows = std::round(static_cast<double>(streams) * options_.prompt_ratio);
  if (rows < 1) return step;
  AddRows(std::min<uint64_t>(options_.cached_tokens, config_.context - 1) / 2,
          static_cast<uint64_t>(rows), 0, step);
  return step;
}

// Products are counted as measured; where a step reads more memory than it multiplies, memory sets
// the time.
PartSeconds CostModel::Price(size_t worker, const StepShape& step) const {
  const WorkerSpeed& speed = cluster_.workers[worker].speed;
  const double read_second = 1 / speed.read_bytes_per_second;
  // Wide activations are multiplied digit by digit, as if they were so many rows.
  const auto ternary_seconds = [&](double weights, uint64_t rows, size_t digits) {
    return weights / kGiga * speed.ternary.For(static_cast<double>(rows * digits));
  };
  const double product_seconds =
      (options_.kv_type == KvType::kQ8 ? speed.attention_q8 : speed.attention) / kGiga;
  const auto attention_seconds = [&](uint64_t attended, uint64_t cached) {
    const double products = 2.0 * config_.q_dim() * static_cast<double>(attended);
    return std::max(products * product_seconds,
                    static_cast<double>(cached * kv_token_) * read_second);
  };
  const size_t digits = config_.activation_bits == ActivationBits::k8 ? 1 : kWideDigits;
  const double matrices = ternary_seconds(layer_weights_, step.rows, digits);
  PartSeconds parts;
  parts.global_layer = matrices + attention_seconds(step.attended, step.cached);
  parts.local_layer = matrices + attention_seconds(step.attended_window, step.cached_window);
  parts.embedding = static_cast<double>(step.rows * embedding_row_) * read_second;
  parts.head = head_weights_ > 0 ? ternary_seconds(head_weights_, step.sampled, kWideDigits)
                                 : static_cast<double>(head_read_) / kGiga *
                                       speed.dense.For(static_cast<double>(step.sampled));
  return parts;
}

double CostModel::Seconds(const PartSeconds& parts, LayerRange layers) const {
  const uint32_t local = LocalLayers(layers);
  double seconds = parts.global_layer * (layers.size() - local) + parts.local_layer * local;
  if (layers.begin == 0) seconds += parts.embedding;
  if (layers.end == config_.layers) seconds += parts.head;
  return seconds;
}

LinkSpeed CostModel::Path(size_t from, size_t to) const {
  if (has_pairs_[from] && has_pairs_[to]) {
    const auto found = pairs_.find({from, to});
    if (found != pairs_.end()) return found->second;
  }
  const LinkSpeed& a = cluster_.workers[from].link;
  const LinkSpeed& b = cluster_.workers[to].link;
  return {.bytes_per_second = std::min(a.bytes_per_second, b.bytes_per_second),
          .latency_seconds = std::max(a.latency_seconds, b.latency_seconds)};
}

uint64_t CostModel::WeightBytes(LayerRange layers) const {
  const bool first = layers.begin == 0;
  const bool last = layers.end == config_.layers;
  const uint64_t ends = first ? (last ? both_held_ : first_held_) : (last ? last_held_ : 0);
  return layer_held_ * layers.size() + ends;
}

double CostModel::ReadBytes(LayerRange layers) const {
  return static_cast<double>(layer_held_ * layers.size() +
                             (layers.begin == 0 ? embedding_row_ : 0) +
                             (layers.end == config_.layers ? head_read_ : 0));
}

bool CostModel::LinkedAlike(size_t a, size_t b) const {
  return a == b ||
         (!has_pairs_[a] && !has_pairs_[b] && cluster_.workers[a].link == cluster_.workers[b].link);
}

bool CostModel::Alike(size_t a, size_t b) const {
  return LinkedAlike(a, b) && cluster_.workers[a].speed == cluster_.workers[b].speed &&
         cluster_.workers[a].memory_bytes == cluster_.workers[b].memory_bytes;
}

}  // namespace tern
