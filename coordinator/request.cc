// SPDX-License-Identifier: MIT
#include "coordinator/request.h"

#include "absl/strings/str_cat.h"

namespace tern {
namespace {

constexpr size_t kMaxStopTokens = 64;
constexpr size_t kMaxStopTexts = 16;
constexpr size_t kMaxStopBytes = 256;

absl::Status CheckStop(const GenerationRequest& request) {
  if (request.stop_tokens.size() > kMaxStopTokens) {
    return absl::InvalidArgumentError(absl::StrCat(
        "stop_tokens: found ", request.stop_tokens.size(), ", want at most ", kMaxStopTokens));
  }
  if (request.stop.size() > kMaxStopTexts) {
    return absl::InvalidArgumentError(
        absl::StrCat("stop: found ", request.stop.size(), " texts, want at most ", kMaxStopTexts));
  }
  for (const std::string& text : request.stop) {
    if (text.empty() || text.size() > kMaxStopBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("stop: found a text of ", text.size(), " bytes, want 1 to ", kMaxStopBytes));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Validate(const GenerationRequest& request, size_t vocab) {
  if (request.prompt.empty()) {
    return absl::InvalidArgumentError("prompt: found no token, want at least 1");
  }
  for (const TokenId token : request.prompt) {
    if (token < 0 || static_cast<size_t>(token) >= vocab) {
      return absl::InvalidArgumentError(
          absl::StrCat("prompt: found token ", token, ", want 0 to ", vocab - 1));
    }
  }
  if (request.max_tokens == 0) {
    return absl::InvalidArgumentError("max_tokens: found 0, want at least 1");
  }
  if (request.samples == 0 || request.samples > kMaxSamples) {
    return absl::InvalidArgumentError(
        absl::StrCat("n: found ", request.samples, ", want 1 to ", kMaxSamples));
  }
  const absl::Status stop = CheckStop(request);
  return stop.ok() ? Validate(request.sampling) : stop;
}

const char* FinishReasonName(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kDeadline:
      return "deadline";
    case FinishReason::kError:
      return "error";
  }
  return "unknown";
}

}  // namespace tern
