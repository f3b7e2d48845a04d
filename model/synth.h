// SPDX-License-Identifier: MIT
// Models with random ternary weights: complete, runnable files of any size for tests and speed
// measurements. They write nonsense, always the same nonsense for one shape and seed.
#ifndef TERN_MODEL_SYNTH_H_
#define TERN_MODEL_SYNTH_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/config.h"

namespace tern {

// The shapes by name (ModelConfig::name): "tiny" for tests, "bitnet-2b-4t" (arXiv:2504.12285),
// and "125m" to "100b", those of BitNet's own speed tests.
std::span<const ModelConfig> SyntheticShapes();

// The shape of that name. NOT_FOUND, listing the names, if there is none.
absl::StatusOr<ModelConfig> SyntheticShape(absl::string_view name);

// Size of the file that WriteSyntheticModel writes, to within 1 % of its vocabulary.
uint64_t SyntheticModelBytes(const ModelConfig& config);

// Writes a GGUF file of `config` in constant memory, with a byte-level vocabulary of config.vocab
// tokens whose last ones are special: bos, eos and <|eot_id|>, or Llama 3's 256 if there are
// 128,256 tokens. `progress`, if set, is called with the share done, in [0, 1], now and then.
// INVALID_ARGUMENT if Validate refuses `config` or it has fewer than 259 tokens; errors of
// GgufWriter. After an error there is no file.
absl::Status WriteSyntheticModel(const ModelConfig& config, const std::string& path, uint64_t seed,
                                 const std::function<void(double)>& progress = {});

}  // namespace tern

#endif  // TERN_MODEL_SYNTH_H_
