// SPDX-License-Identifier: MIT
// What becomes of requests: a log line at the begin and the end of each, and counts of all.
#ifndef TERN_COORDINATOR_REQUEST_RECORDER_H_
#define TERN_COORDINATOR_REQUEST_RECORDER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "base/histogram.h"
#include "base/mutex.h"
#include "coordinator/request.h"

namespace tern {

// By what people find a request again.
struct RequestTag {
  std::string id;      // the client's, or drawn by the coordinator
  std::string client;  // its address
};

// Thread-safe. Must outlive the listeners that it makes.
class RequestRecorder {
 public:
  RequestRecorder();

  // Records a request that goes to the engine now. The listener that is returned goes with it, and
  // hands on to `listener` all that it hears.
  std::shared_ptr<GenerationListener> Begin(RequestTag tag, const GenerationRequest& request,
                                            std::shared_ptr<GenerationListener> listener)
      ABSL_LOCKS_EXCLUDED(mu_);

  // Records a request that never gets to the engine.
  void Refuse(const RequestTag& tag, const absl::Status& status) ABSL_LOCKS_EXCLUDED(mu_);

  struct Counts {
    // Of those ended, by "stop", "length", or the error's code: "unavailable" and so on.
    std::map<std::string, uint64_t> ended;
    uint64_t prompt_tokens = 0;  // of the requests that went to the engine
    uint64_t generated_tokens = 0;
    Histogram::Snapshot to_first_token;  // from the begin
    Histogram::Snapshot between_tokens;  // of a sample
    Histogram::Snapshot total;           // of those that went to the engine, however they ended
  };
  Counts counts() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  class Listener;

  void CountToken() ABSL_LOCKS_EXCLUDED(mu_);
  void CountEnd(const std::string& outcome) ABSL_LOCKS_EXCLUDED(mu_);

  Histogram to_first_token_;
  Histogram between_tokens_;
  Histogram total_;

  mutable Mutex mu_;
  std::map<std::string, uint64_t> ended_ ABSL_GUARDED_BY(mu_);
  uint64_t prompt_tokens_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t generated_tokens_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace tern

#endif  // TERN_COORDINATOR_REQUEST_RECORDER_H_
