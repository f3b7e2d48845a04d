// SPDX-License-Identifier: MIT
#include "batch/settings.h"

#include "absl/strings/str_cat.h"

namespace tern {

nlohmann::ordered_json ToJson(const BatchSettings& settings) {
  const SamplingParams& sampling = settings.sampling;
  return {{"model", settings.model},
          {"build", settings.build},
          {"kv", settings.kv_type},
          {"context", settings.context},
          {"chat_format", settings.chat_format},
          {"max_tokens", settings.max_tokens},
          {"temperature", sampling.temperature},
          {"top_k", sampling.top_k},
          {"top_p", sampling.top_p},
          {"min_p", sampling.min_p},
          {"repetition_penalty", sampling.repetition_penalty},
          {"seed", sampling.seed},
          {"stop", settings.stop},
          {"ignore_eos", settings.ignore_eos},
          {"token_ids", settings.token_ids}};
}

absl::Status CheckSameSettings(const nlohmann::ordered_json& found,
                               const nlohmann::ordered_json& want) {
  for (const auto& [name, value] : want.items()) {
    if (found.contains(name) && found[name] == value) continue;
    const std::string other = found.contains(name) ? found[name].dump() : "nothing";
    return absl::FailedPreconditionError(
        absl::StrCat(name, ": found ", other, ", want ", value.dump()));
  }
  return absl::OkStatus();
}

}  // namespace tern
