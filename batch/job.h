// SPDX-License-Identifier: MIT
// Runs a batch: reads lines, keeps engines busy with them, leaves the answers with a sink.
#ifndef TERN_BATCH_JOB_H_
#define TERN_BATCH_JOB_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "batch/answer_sink.h"
#include "batch/line_reader.h"
#include "batch/progress.h"
#include "batch/settings.h"
#include "coordinator/engine.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace tern {

// Everything borrowed here must outlive the job.
struct JobOptions {
  BatchSettings settings;
  absl::StatusOr<ChatFormat> chat_format = ChatFormat::kBitNet;  // an error: no conversations
  const Tokenizer* tokenizer = nullptr;
  std::vector<Engine*> engines;  // with pipelines that are up; a request goes to the idlest
  size_t in_flight = 256;        // requests that one engine has at once
  uint64_t lines = 0;            // of the input, if they are known
  absl::Duration sync_period = absl::Seconds(1);  // answers of so long may be lost with the machine
  std::function<void(const JobProgress&)> on_progress;  // a few times a second; may be empty
};

// Answers every line of `input`, also while others are yet to come. A line that cannot be answered,
// for itself or because an engine has not the room for it, gets an error line and the job goes on.
// Ends early, with what is answered left in the sink, with the sink's errors, and with an engine's
// when its pipeline breaks.
absl::StatusOr<JobProgress> RunJob(const JobOptions& options, LineReader& input, AnswerSink& sink);

}  // namespace tern

#endif  // TERN_BATCH_JOB_H_
