// SPDX-License-Identifier: MIT
// From a Hugging Face config.json to a model's shape.
#ifndef TERN_MODEL_HF_CONFIG_H_
#define TERN_MODEL_HF_CONFIG_H_

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "model/config.h"

namespace tern {

// What config.json says besides the shape.
struct HfConfig {
  ModelConfig model;               // projection_norms, types and groups are for the tensors to tell
  bool is_bitnet = false;          // quantization_config.quant_method, or the architecture
  bool multiplies_scale = false;   // weight_scale: W = t * scale (autobitlinear), or t / scale
  bool trained_ternary = false;    // dense masters are to be quantised by absmean
  bool norms_are_offsets = false;  // stored w means 1 + w (Gemma)
};

// FAILED_PRECONDITION, with the list of those that are run, for an architecture or a feature that
// this build does not run, DATA_LOSS for keys that are missing or of the wrong kind. `name` is the
// file's, for errors.
absl::StatusOr<HfConfig> ReadHfConfig(const nlohmann::json& json, const std::string& name);

}  // namespace tern

#endif  // TERN_MODEL_HF_CONFIG_H_
