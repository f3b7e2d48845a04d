// SPDX-License-Identifier: MIT
#include "tools/generation_flags.h"

#include <cstdio>
#include <iostream>
#include <iterator>

#include "absl/status/status.h"

namespace tern {

void AddGenerationFlags(CLI::App& command, GenerationFlags& flags) {
  SamplingParams& sampling = flags.sampling;
  command.add_option("-n,--max-tokens", flags.max_tokens, "Most tokens to generate")
      ->capture_default_str();
  command.add_option("--temperature", sampling.temperature, "0 is greedy")->capture_default_str();
  command.add_option("--top-k", sampling.top_k, "Keep the k most likely tokens; 0 keeps all")
      ->capture_default_str();
  command.add_option("--top-p", sampling.top_p, "Keep the most likely tokens of this total share")
      ->capture_default_str();
  command
      .add_option("--min-p", sampling.min_p,
                  "Keep tokens at least this share as likely as the most likely one")
      ->capture_default_str();
  command
      .add_option("--repetition-penalty", sampling.repetition_penalty,
                  "Makes tokens seen before less likely; 1 is off")
      ->capture_default_str();
  command.add_option("--seed", flags.seed, "Same seed, same text; drawn at random by default");
  command.add_option("--stop", flags.stop, "End at this text, which is not shown; repeatable");
  command.add_flag("--ignore-eos", flags.ignore_eos, "Do not end at the model's end-of-text token");
}

void PrintSummary(const GenerationSummary& summary) {
  const double first = absl::ToDoubleSeconds(summary.time_to_first_token);
  const double rest = absl::ToDoubleSeconds(summary.total) - first;
  std::fprintf(stderr, "%u prompt tokens, %u generated (%s), first after %.0f ms",
               summary.prompt_tokens, summary.generated_tokens, summary.finish_reason.c_str(),
               first * 1e3);
  if (summary.generated_tokens > 1 && rest > 0) {
    std::fprintf(stderr, ", then %.1f tokens/s", (summary.generated_tokens - 1) / rest);
  }
  std::fprintf(stderr, ", seed %llu\n", static_cast<unsigned long long>(summary.seed));
}

absl::StatusOr<std::string> PromptFrom(const std::string& text) {
  std::string prompt = text;
  if (text == "-") {
    prompt.assign(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
  }
  if (prompt.empty()) return absl::InvalidArgumentError("prompt: found nothing, want some text");
  return prompt;
}

}  // namespace tern
