// SPDX-License-Identifier: MIT
// Runs a model on a sequence in one of the many ways that must give the same bits.
#ifndef TERN_TESTS_SUPPORT_RUN_MODEL_H_
#define TERN_TESTS_SUPPORT_RUN_MODEL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "model/transformer.h"

namespace tern {

struct RunOptions {
  std::string isa = "";  // the best of this CPU
  size_t threads = 1;
  uint32_t chunk = 1;   // rows of one Forward
  uint32_t stages = 1;  // transformers, run one after the other
  KvType kv_type = KvType::kF16;
  bool scatter_pages = false;  // hand out pages in no order
};

// All layers, cut into `stages` ranges.
std::vector<LayerRange> EvenStages(uint32_t layers, uint32_t stages);

// The numbers of `pages` pages in an order that is not ascending.
std::vector<uint32_t> ScatteredPages(uint64_t pages);

// The logits after each token: [tokens, vocab]. Ends the test if anything fails.
std::vector<float> RunModel(const ModelConfig& config, const TensorSource& source,
                            const std::vector<TokenId>& tokens, const RunOptions& options = {});

// `count` tokens of the vocabulary, the same for the same seed.
std::vector<TokenId> RandomTokens(const ModelConfig& config, size_t count, uint64_t seed);

}  // namespace tern

#endif  // TERN_TESTS_SUPPORT_RUN_MODEL_H_
