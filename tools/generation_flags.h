// SPDX-License-Identifier: MIT
// The flags that `tern generate`, `tern chat` and `tern run` share.
#ifndef TERN_TOOLS_GENERATION_FLAGS_H_
#define TERN_TOOLS_GENERATION_FLAGS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/sampler.h"

namespace tern {

struct GenerationFlags {
  SamplingParams sampling;       // but for the seed
  std::optional<uint64_t> seed;  // drawn at random if absent
  uint32_t max_tokens = 128;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  uint32_t samples = 1;
  std::string priority = "normal";  // of kPriorities
};

inline constexpr const char* kPriorities[] = {"low", "normal", "high"};

void AddGenerationFlags(CLI::App& command, GenerationFlags& flags);

// What to say when a generation has ended.
struct GenerationSummary {
  std::string finish_reason;
  uint32_t prompt_tokens = 0;
  uint32_t generated_tokens = 0;
  uint64_t seed = 0;
  absl::Duration time_to_first_token;
  absl::Duration total;
};

// One line to stderr: counts, time to first token, tokens/s, seed.
void PrintSummary(const GenerationSummary& summary);

// `text` itself, or all of standard input if it is "-". INVALID_ARGUMENT if that is empty.
absl::StatusOr<std::string> PromptFrom(const std::string& text);

}  // namespace tern

#endif  // TERN_TOOLS_GENERATION_FLAGS_H_
