// SPDX-License-Identifier: MIT
// Requests of tern.v1.Inference to the engine's, and the engine's answers back. The engine
// validates what it is given (coordinator/request.h); here is only what it cannot see.
#ifndef TERN_COORDINATOR_INFERENCE_WIRE_H_
#define TERN_COORDINATOR_INFERENCE_WIRE_H_

#include "absl/status/statusor.h"
#include "coordinator/request.h"
#include "proto/inference.pb.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace tern {

// The engine's request: prompt tokenized (with bos where the tokenizer wants it), defaults filled
// in, stop tokens of the vocabulary. A request without a seed gets `fresh_seed`. INVALID_ARGUMENT
// if the vocabulary lacks a token.
absl::StatusOr<GenerationRequest> FromProto(const v1::GenerateRequest& proto,
                                            const Tokenizer& tokenizer, uint64_t fresh_seed);
// The same for a conversation; the error of `format` if it is one, errors of ApplyChatTemplate.
absl::StatusOr<GenerationRequest> FromProto(const v1::ChatRequest& proto,
                                            const Tokenizer& tokenizer,
                                            const absl::StatusOr<ChatFormat>& format,
                                            uint64_t fresh_seed);

// A request of one step, whose output is wanted.
absl::StatusOr<GenerationRequest> FromProto(const v1::EmbedRequest& proto,
                                            const Tokenizer& tokenizer);

// `with_logprob`: whether the request asked for logprobs.
v1::GenerateResponse ToProto(const GeneratedToken& token, bool with_logprob);

// The last message of a sample of a request that did not fail. `seed` is that of the first sample.
v1::GenerateResponse ToProto(FinishReason reason, const std::string& tail,
                             const GenerationStats& stats, uint64_t seed);

}  // namespace tern

#endif  // TERN_COORDINATOR_INFERENCE_WIRE_H_
