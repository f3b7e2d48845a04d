// SPDX-License-Identifier: MIT
#include "coordinator/inference_wire.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cluster/clock.h"
#include "text/chat_template.h"

namespace tern {
namespace {

SamplingParams FromProto(const v1::Sampling& proto, uint64_t fresh_seed) {
  SamplingParams params;
  if (proto.has_temperature()) params.temperature = proto.temperature();
  if (proto.has_top_k()) params.top_k = proto.top_k();
  if (proto.has_top_p()) params.top_p = proto.top_p();
  if (proto.has_min_p()) params.min_p = proto.min_p();
  if (proto.has_repetition_penalty()) params.repetition_penalty = proto.repetition_penalty();
  if (proto.has_logprobs()) params.logprobs = proto.logprobs();
  params.seed = proto.has_seed() ? proto.seed() : fresh_seed;
  return params;
}

Priority FromProto(v1::Priority priority) {
  switch (priority) {
    case v1::PRIORITY_LOW:
      return Priority::kLow;
    case v1::PRIORITY_HIGH:
      return Priority::kHigh;
    default:
      return Priority::kNormal;
  }
}

GenerationRequest MakeRequest(std::vector<TokenId> prompt, const v1::Sampling& sampling,
                              const v1::Limits& limits, const Tokenizer& tokenizer,
                              uint64_t fresh_seed) {
  GenerationRequest request;
  request.prompt = std::move(prompt);
  request.sampling = FromProto(sampling, fresh_seed);
  if (limits.has_max_tokens()) request.max_tokens = limits.max_tokens();
  if (!limits.ignore_eos()) request.stop_tokens = tokenizer.stop_tokens();
  request.stop.assign(limits.stop().begin(), limits.stop().end());
  if (limits.has_n()) request.samples = limits.n();
  request.priority = FromProto(limits.priority());
  if (limits.has_timeout_ms()) {
    request.deadline = MonotonicNow() + absl::Milliseconds(limits.timeout_ms());
  }
  return request;
}

absl::StatusOr<std::vector<TokenId>> PromptTokens(const v1::TokenList& proto,
                                                  const Tokenizer& tokenizer) {
  std::vector<TokenId> tokens;
  tokens.reserve(static_cast<size_t>(proto.ids_size()));
  for (const uint32_t id : proto.ids()) {
    if (id >= tokenizer.vocab()) {
      return absl::InvalidArgumentError(
          absl::StrCat("tokens: found ", id, ", want ids below ", tokenizer.vocab()));
    }
    tokens.push_back(static_cast<TokenId>(id));
  }
  return tokens;
}

}  // namespace

absl::StatusOr<GenerationRequest> FromProto(const v1::GenerateRequest& proto,
                                            const Tokenizer& tokenizer, uint64_t fresh_seed) {
  std::vector<TokenId> prompt;
  if (proto.has_tokens()) {
    TERN_ASSIGN_OR_RETURN(prompt, PromptTokens(proto.tokens(), tokenizer));
  } else {
    prompt = EncodePrompt(tokenizer, proto.prompt());
  }
  return MakeRequest(std::move(prompt), proto.sampling(), proto.limits(), tokenizer, fresh_seed);
}

absl::StatusOr<GenerationRequest> FromProto(const v1::EmbedRequest& proto,
                                            const Tokenizer& tokenizer) {
  GenerationRequest request;
  request.prompt = EncodeDocument(tokenizer, proto.text());
  request.max_tokens = 1;
  request.want_logits = true;
  return request;
}

absl::StatusOr<GenerationRequest> FromProto(const v1::ChatRequest& proto,
                                            const Tokenizer& tokenizer,
                                            const absl::StatusOr<ChatFormat>& format,
                                            uint64_t fresh_seed) {
  if (!format.ok()) return format.status();
  std::vector<ChatMessage> messages;
  for (const v1::ChatMessage& message : proto.messages()) {
    messages.push_back({.role = message.role(), .content = message.content()});
  }
  TERN_ASSIGN_OR_RETURN(std::vector<TokenId> prompt,
                        ApplyChatTemplate(tokenizer, *format, messages));
  return MakeRequest(std::move(prompt), proto.sampling(), proto.limits(), tokenizer, fresh_seed);
}

v1::GenerateResponse ToProto(const GeneratedToken& token, bool with_logprob) {
  v1::GenerateResponse response;
  response.set_index(token.sample);
  response.set_text(token.text);
  v1::Token& proto = *response.mutable_token();
  proto.set_id(static_cast<uint32_t>(token.sampled.chosen.token));
  if (with_logprob) proto.set_logprob(token.sampled.chosen.logprob);
  for (const TokenLogprob& top : token.sampled.top) {
    v1::TokenLogprob& entry = *proto.add_top();
    entry.set_token(static_cast<uint32_t>(top.token));
    entry.set_logprob(top.logprob);
  }
  return response;
}

v1::GenerateResponse ToProto(FinishReason reason, const std::string& tail,
                             const GenerationStats& stats, uint64_t seed) {
  v1::GenerateResponse response;
  response.set_index(stats.sample);
  response.set_text(tail);
  v1::Finish& proto = *response.mutable_finish();
  proto.set_reason(FinishReasonName(reason));
  proto.set_prompt_tokens(stats.prompt_tokens);
  proto.set_generated_tokens(stats.generated_tokens);
  proto.set_seed(seed + stats.sample);
  proto.set_time_to_first_token_seconds(absl::ToDoubleSeconds(stats.time_to_first_token));
  proto.set_total_seconds(absl::ToDoubleSeconds(stats.total));
  return response;
}

}  // namespace tern
