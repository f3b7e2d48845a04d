// SPDX-License-Identifier: MIT
#include "coordinator/live_request.h"

#include <string>
#include <utility>

#include "cluster/clock.h"

namespace tern {

LiveRequest::LiveRequest(const Tokenizer& tokenizer, const GenerationRequest& request,
                         std::shared_ptr<GenerationListener> listener, absl::Time submitted)
    : listener_(std::move(listener)), submitted_(submitted), open_(request.samples) {
  for (uint32_t i = 0; i < request.samples; ++i) {
    Sample& sample = samples_.emplace_back(tokenizer, request);
    sample.stats.sample = i;
    sample.stats.prompt_tokens = static_cast<uint32_t>(request.prompt.size());
  }
}

bool LiveRequest::Deliver(uint32_t index, SequenceResult result) {
  Sample& sample = samples_[index];
  if (sample.stats.generated_tokens++ == 0) {
    sample.stats.time_to_first_token = MonotonicNow() - submitted_;
  }
  GeneratedToken generated;
  generated.sample = index;
  generated.text = sample.stop.Push(sample.decoder.Push(result.sampled.chosen.token));
  generated.sampled = std::move(result.sampled);
  generated.logits = std::move(result.logits);
  listener_->OnToken(generated);
  return sample.stop.stopped();
}

bool LiveRequest::Finish(uint32_t index, FinishReason reason, const absl::Status& status) {
  Sample& sample = samples_[index];
  sample.stats.total = MonotonicNow() - submitted_;
  std::string tail;
  if (sample.stop.stopped()) {
    // The token that ended it for its length may have completed a stop text, too.
    if (reason == FinishReason::kLength) reason = FinishReason::kStop;
  } else {
    tail = sample.stop.Push(sample.decoder.Finish());
    tail += sample.stop.Finish();
  }
  const bool is_last = --open_ == 0 || !status.ok();
  if (is_last) {
    listener_->OnFinish(reason, tail, status, sample.stats);
  } else {
    listener_->OnSampleFinish(reason, tail, sample.stats);
  }
  return is_last;
}

}  // namespace tern
