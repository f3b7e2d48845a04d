// SPDX-License-Identifier: MIT
#include "tests/support/run_model.h"

#include <algorithm>
#include <memory>
#include <random>

#include "base/log.h"

namespace tern {
namespace {

constexpr SequenceId kSequence = 7;

struct Stage {
  std::unique_ptr<Transformer> model;
  KvCache cache;
};

std::vector<Stage> LoadStages(const ModelConfig& config, const TensorSource& source,
                              ThreadPool* pool, const RunOptions& options, size_t tokens) {
  const Kernels kernels = ChooseKernels(options.isa).value();
  std::vector<Stage> stages;
  for (const LayerRange range : EvenStages(config.layers, options.stages)) {
    stages.push_back(
        {Transformer::Load(config, range, source, kernels, pool).value(),
         KvCache::Create(config, range.size(), KvPagesFor(tokens) + 4, options.kv_type).value()});
    KvCache& cache = stages.back().cache;
    if (options.scatter_pages) {
      cache.Append(kSequence, ScatteredPages(cache.pages()));
    } else {
      cache.AppendAll(kSequence);
    }
  }
  return stages;
}

}  // namespace

std::vector<LayerRange> EvenStages(uint32_t layers, uint32_t stages) {
  std::vector<LayerRange> ranges;
  for (uint32_t i = 0; i < stages; ++i) {
    ranges.push_back({layers * i / stages, layers * (i + 1) / stages});
  }
  return ranges;
}

std::vector<uint32_t> ScatteredPages(uint64_t pages) {
  std::vector<uint32_t> scattered;
  for (const uint32_t first : {1u, 0u}) {
    for (uint32_t page = first; page < pages; page += 2) scattered.insert(scattered.begin(), page);
  }
  return scattered;
}

std::vector<float> RunModel(const ModelConfig& config, const TensorSource& source,
                            const std::vector<TokenId>& tokens, const RunOptions& options) {
  const std::unique_ptr<ThreadPool> pool =
      ThreadPool::Create({.threads = options.threads, .cpus = {}}).value();
  std::vector<Stage> stages = LoadStages(config, source, pool.get(), options, tokens.size());
  std::vector<float> hidden(tokens.size() * config.dim);
  std::vector<float> logits(tokens.size() * config.vocab);
  stages.front().model->Embed(tokens, hidden.data());
  for (uint32_t position = 0; position < tokens.size(); position += options.chunk) {
    const uint32_t rows = std::min(options.chunk, static_cast<uint32_t>(tokens.size()) - position);
    const SequenceRows batch = {kSequence, position, rows};
    float* chunk = hidden.data() + size_t{position} * config.dim;
    for (Stage& stage : stages) {
      TERN_CHECK(stage.model->Forward({&batch, 1}, stage.cache, chunk).ok());
    }
    stages.back().model->Logits({chunk, size_t{rows} * config.dim},
                                logits.data() + size_t{position} * config.vocab);
  }
  return logits;
}

std::vector<TokenId> RandomTokens(const ModelConfig& config, size_t count, uint64_t seed) {
  std::mt19937_64 rng(seed);
  std::vector<TokenId> tokens(count);
  for (TokenId& token : tokens) token = static_cast<TokenId>(rng() % config.vocab);
  return tokens;
}

}  // namespace tern
