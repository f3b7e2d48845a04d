// SPDX-License-Identifier: MIT
#include "tools/local_cluster.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/registry.h"

namespace tern {
namespace {

constexpr uint64_t kEpoch = 1;  // the one plan of a local cluster
constexpr char kResults[] = "results";

std::string StageAddress(size_t index) { return absl::StrCat("stage ", index); }

// The layers of each stage, as asked for or shared out evenly.
absl::StatusOr<std::vector<LayerRange>> SplitLayers(const ModelConfig& config,
                                                    const LocalClusterOptions& options) {
  if (options.stages == 0 || options.stages > config.layers) {
    return absl::InvalidArgumentError(absl::StrCat("stages: found ", options.stages, ", want 1 to ",
                                                   config.layers, ", the layers"));
  }
  if (!options.layers.empty() && options.layers.size() != options.stages) {
    return absl::InvalidArgumentError(absl::StrCat("layers: found ", options.layers.size(),
                                                   " numbers, want one for each of ",
                                                   options.stages, " stages"));
  }
  std::vector<LayerRange> ranges;
  uint64_t begin = 0;
  for (size_t i = 0; i < options.stages; ++i) {
    const uint64_t end = options.layers.empty()
                             ? SplitRange(config.layers, 1, i, options.stages).end
                             : begin + options.layers[i];
    if (end <= begin || end > config.layers) break;
    ranges.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
    begin = end;
  }
  if (ranges.size() == options.stages && begin == config.layers) return ranges;
  return absl::InvalidArgumentError(
      absl::StrCat("layers: want at least one layer a stage, ", config.layers, " in all"));
}

// The processors of stage `index`; none if it need not be pinned.
std::vector<int> CpusOf(size_t index, const LocalClusterOptions& options) {
  std::vector<int> cpus;
  for (size_t i = 0; i < options.threads && !options.cpus.empty(); ++i) {
    cpus.push_back(options.cpus[(index * options.threads + i) % options.cpus.size()]);
  }
  return cpus;
}

uint64_t KvPages(const ModelConfig& config, const LocalClusterOptions& options) {
  return KvPagesFor(std::max<uint64_t>(options.kv_tokens, config.context));
}

absl::Status CheckMemory(const ModelConfig& config, const std::vector<LayerRange>& layers,
                         const LocalClusterOptions& options) {
  uint64_t needed = 0;
  for (const LayerRange& range : layers) {
    needed += WeightBytes(config, range);
    needed += KvPages(config, options) * KvPageBytes(config, range.size(), options.kv_type);
  }
  if (options.memory_bytes == 0 || needed <= options.memory_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "memory: weights and KV cache need ", needed, " bytes, found ", options.memory_bytes,
      " to use; spread the model over several machines with "
      "tern serve"));
}

absl::Status CheckOptions(const LocalClusterOptions& options) {
  if (options.prefill_chunk == 0 || options.max_rows == 0 || options.max_queue == 0) {
    return absl::InvalidArgumentError("prefill_chunk, max_rows, max_queue: want at least 1");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<LocalCluster>> LocalCluster::Open(
    const std::string& path, const LocalClusterOptions& options) {
  TERN_RETURN_IF_ERROR(CheckOptions(options));
  TERN_ASSIGN_OR_RETURN(std::unique_ptr<ModelFile> file,
                        ModelFile::Open(path, {.context = options.context}));
  TERN_ASSIGN_OR_RETURN(const Vocabulary vocabulary, file->ReadVocabulary());
  TERN_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer, file->MakeTokenizer(vocabulary));
  std::unique_ptr<LocalCluster> cluster(new LocalCluster(std::move(file), std::move(tokenizer)));
  TERN_RETURN_IF_ERROR(cluster->Start(options));
  return cluster;
}

LocalCluster::LocalCluster(std::unique_ptr<ModelFile> file, std::unique_ptr<Tokenizer> tokenizer)
    : file_(std::move(file)),
      config_(file_->config()),
      tokenizer_(std::move(tokenizer)),
      engine_(std::make_unique<Engine>(*tokenizer_)) {}

// Each stage hands frames to the one after it, the last one to the engine: so nobody is destroyed
// before those who may still call it.
LocalCluster::~LocalCluster() {
  engine_->StopPipeline(absl::CancelledError("the cluster shut down"));
  engine_->WaitIdle(absl::InfiniteDuration());
  for (Part& part : parts_) {
    part.listener.reset();
    part.runner.reset();
  }
  results_.reset();
  engine_.reset();
}

// From the last stage to the first: each needs the address of the next.
absl::Status LocalCluster::Start(const LocalClusterOptions& options) {
  TERN_ASSIGN_OR_RETURN(Kernels kernels, ChooseKernels(options.isa));
  kernels.may_cache = options.may_cache;
  kernels.l2_bytes = options.l2_bytes;
  TERN_ASSIGN_OR_RETURN(const std::vector<LayerRange> layers, SplitLayers(config_, options));
  TERN_RETURN_IF_ERROR(CheckMemory(config_, layers, options));
  TERN_ASSIGN_OR_RETURN(results_, transport_.Listen(kResults, [this](Frame frame) {
    engine_->OnFrame(std::move(frame));
  }));
  parts_.resize(layers.size());
  for (size_t i = layers.size(); i-- > 0;) {
    TERN_ASSIGN_OR_RETURN(parts_[i], StartStage(i, layers[i], kernels, options));
  }
  SchedulerConfig config;
  config.epoch = kEpoch;
  config.stages = options.stages;
  config.prefill_chunk = options.prefill_chunk;
  config.max_rows = options.max_rows;
  config.max_queue = options.max_queue;
  config.prefix_cache = options.prefix_cache;
  config.kv_pages = KvPages(config_, options);
  config.context = config_.context;
  const auto stop = [this](absl::Status status) { engine_->StopPipeline(std::move(status)); };
  const auto taken = [this](uint64_t frames) { engine_->OnTaken(kEpoch, frames); };
  TERN_ASSIGN_OR_RETURN(
      std::unique_ptr<FrameSender> first,
      transport_.Connect(StageAddress(0), {.on_failure = stop, .on_taken = taken}));
  engine_->StartPipeline(config, std::move(first));
  return absl::OkStatus();
}

absl::StatusOr<LocalCluster::Part> LocalCluster::StartStage(size_t index, LayerRange layers,
                                                            const Kernels& kernels,
                                                            const LocalClusterOptions& options) {
  Part part;
  TERN_ASSIGN_OR_RETURN(
      part.pool, ThreadPool::Create({.threads = options.threads, .cpus = CpusOf(index, options)}));
  const auto progress = [&](float share) {
    const float stages_done = static_cast<float>(options.stages - 1 - index);
    if (options.progress) {
      options.progress((stages_done + share) / static_cast<float>(options.stages));
    }
  };
  StageSpec spec;
  spec.epoch = kEpoch;
  spec.config = config_;
  spec.layers = layers;
  spec.kv_type = options.kv_type;
  spec.kv_pages = KvPages(config_, options);
  TERN_ASSIGN_OR_RETURN(std::unique_ptr<Stage> stage,
                        Stage::Create(spec, file_->tensors(), kernels, part.pool.get(), progress));
  const std::string next = stage->is_last() ? kResults : StageAddress(index + 1);
  const auto stop = [this, index](absl::Status status) {
    engine_->StopPipeline(
        absl::UnavailableError(absl::StrCat(StageAddress(index), ": ", status.ToString())));
  };
  TERN_ASSIGN_OR_RETURN(std::unique_ptr<FrameSender> link,
                        transport_.Connect(next, {.on_failure = stop}));
  part.runner =
      std::make_unique<StageRunner>(std::move(stage), std::move(link), stop,
                                    [this, index] { transport_.Credit(StageAddress(index)); });
  TERN_ASSIGN_OR_RETURN(part.listener, transport_.Listen(StageAddress(index),
                                                         [runner = part.runner.get()](Frame frame) {
                                                           runner->Push(std::move(frame));
                                                         }));
  return part;
}

}  // namespace tern
