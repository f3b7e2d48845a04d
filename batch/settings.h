// SPDX-License-Identifier: MIT
// What answers depend on beside their own line of the input.
#ifndef TERN_BATCH_SETTINGS_H_
#define TERN_BATCH_SETTINGS_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "model/sampler.h"

namespace tern {

struct BatchSettings {
  std::string model;          // digest of its file
  std::string build;          // version of Tern
  std::string kv_type;        // "f16", "f32" or "q8"
  uint32_t context = 0;       // most tokens of a prompt and its answer
  std::string chat_format;    // its name; empty: the model has none
  SamplingParams sampling;    // of lines that say nothing else; the seed plus the line's number
  uint32_t max_tokens = 128;  // likewise
  std::vector<std::string> stop;
  bool ignore_eos = false;
  bool token_ids = false;  // answers carry them
};

// Every field by its name.
nlohmann::ordered_json ToJson(const BatchSettings& settings);

// FAILED_PRECONDITION, naming the first field that differs, what was found in `found` and what is
// wanted now.
absl::Status CheckSameSettings(const nlohmann::ordered_json& found,
                               const nlohmann::ordered_json& want);

}  // namespace tern

#endif  // TERN_BATCH_SETTINGS_H_
