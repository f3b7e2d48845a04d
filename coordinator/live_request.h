// SPDX-License-Identifier: MIT
// A request from Submit to OnFinish, as its listener sees it: tokens become text, stop texts end
// it.
#ifndef TERN_COORDINATOR_LIVE_REQUEST_H_
#define TERN_COORDINATOR_LIVE_REQUEST_H_

#include <cstdint>
#include <deque>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cluster/frame.h"
#include "coordinator/request.h"
#include "coordinator/stop_text.h"
#include "text/tokenizer.h"

namespace tern {

// Thread-compatible.
class LiveRequest {
 public:
  // Of `request` only what a listener sees is kept. `tokenizer` must outlive the object.
  // `submitted` is by MonotonicNow.
  LiveRequest(const Tokenizer& tokenizer, const GenerationRequest& request,
              std::shared_ptr<GenerationListener> listener, absl::Time submitted);

  // Tells the listener of a sampled token. Whether a stop text has ended the sample with it.
  bool Deliver(uint32_t sample, SequenceResult result);

  // Tells the listener that a sample has ended, or, unless `status` is OK, the request. Whether the
  // request has: then nothing may be called any more. REQUIRES an OK `status` only once a sample.
  bool Finish(uint32_t sample, FinishReason reason, const absl::Status& status);

 private:
  struct Sample {
    Sample(const Tokenizer& tokenizer, const GenerationRequest& request)
        : decoder(tokenizer), stop(request.stop) {}
    StreamingDecoder decoder;
    StopText stop;
    GenerationStats stats;
  };

  const std::shared_ptr<GenerationListener> listener_;
  const absl::Time submitted_;
  std::deque<Sample> samples_;
  size_t open_;  // samples that have not ended
};

}  // namespace tern

#endif  // TERN_COORDINATOR_LIVE_REQUEST_H_
