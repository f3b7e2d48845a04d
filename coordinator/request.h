// SPDX-License-Identifier: MIT
// A generation request inside the coordinator, and what its owner hears of it.
#ifndef TERN_COORDINATOR_REQUEST_H_
#define TERN_COORDINATOR_REQUEST_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "model/sampler.h"
#include "text/tokenizer.h"

namespace tern {

using RequestId = uint64_t;

enum class Priority : uint8_t { kLow, kNormal, kHigh };

// The payload of a RESOURCE_EXHAUSTED of a full queue: milliseconds after which there may be room.
inline constexpr char kRetryAfterPayload[] = "tern/retry-after-ms";

inline constexpr uint32_t kMaxSamples = 64;

struct GenerationRequest {
  std::vector<TokenId> prompt;  // not empty
  uint32_t max_tokens = 128;    // at least 1
  SamplingParams sampling;
  std::vector<TokenId> stop_tokens;  // end the generation; not shown
  std::vector<std::string> stop;     // texts (UTF-8) that end it; not shown
  bool want_logits = false;          // tests: each token comes with its logits
  uint32_t samples = 1;              // continuations; sample i has the seed of the first, plus i
  Priority priority = Priority::kNormal;
  absl::Time deadline = absl::InfiniteFuture();  // by MonotonicNow (cluster/clock.h)
};

// Whether the request can be run by a model of `vocab` tokens, apart from its length: a prompt of
// tokens that exist, at least one token to generate, 1 to kMaxSamples samples, at most 64 stop
// tokens and 16 stop texts of 1 to 256 bytes, sampling as its own Validate has it.
// INVALID_ARGUMENT, naming the field, otherwise.
absl::Status Validate(const GenerationRequest& request, size_t vocab);

enum class FinishReason { kStop, kLength, kCancelled, kDeadline, kError };

// "stop", "length", "cancelled", "deadline" or "error".
const char* FinishReasonName(FinishReason reason);

struct GeneratedToken {
  uint32_t sample = 0;  // of the request
  SampledToken sampled;
  std::string text;           // complete UTF-8; may be empty while a character is held back
  std::vector<float> logits;  // [vocab] where wanted
};

// Of one sample.
struct GenerationStats {
  uint32_t sample = 0;
  uint32_t prompt_tokens = 0;
  uint32_t generated_tokens = 0;
  absl::Duration time_to_first_token;
  absl::Duration total;
};

// Called from the engine's thread, in order; must not block. OnToken any number of times; of
// several samples all but the last to end end with OnSampleFinish; then OnFinish exactly once.
class GenerationListener {
 public:
  virtual ~GenerationListener() = default;
  virtual void OnToken(const GeneratedToken& token) = 0;
  // One of several samples has ended, others go on. Arguments as of OnFinish.
  virtual void OnSampleFinish(FinishReason, const std::string& /*tail*/, const GenerationStats&) {}
  // `tail` is text that was held back and is no stop text. `status` is OK unless `reason` is kError
  // (UNAVAILABLE: may be retried), kCancelled (CANCELLED) or kDeadline (DEADLINE_EXCEEDED), which
  // end all samples at once. `stats` are those of the last sample.
  virtual void OnFinish(FinishReason reason, const std::string& tail, const absl::Status& status,
                        const GenerationStats& stats) = 0;
};

}  // namespace tern

#endif  // TERN_COORDINATOR_REQUEST_H_
