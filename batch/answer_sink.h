// SPDX-License-Identifier: MIT
// Where a job leaves its answers.
#ifndef TERN_BATCH_ANSWER_SINK_H_
#define TERN_BATCH_ANSWER_SINK_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace tern {

// Thread-compatible. `line` counts the input's from 1, `digest` is of its text.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  // Whether the answer to this line is there already, so that it is not to be computed.
  virtual bool Has(uint64_t line, const std::string& digest) = 0;
  // Takes an answer, lines in any order. Errors say what to do; what was taken before is kept.
  virtual absl::Status Put(uint64_t line, const std::string& digest, const std::string& answer) = 0;
  // That this line gets no answer; for sinks that wait for it.
  virtual absl::Status Skip(uint64_t line) = 0;
  // What was taken so far survives a crash of the machine.
  virtual absl::Status Sync() = 0;
};

}  // namespace tern

#endif  // TERN_BATCH_ANSWER_SINK_H_
