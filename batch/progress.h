// SPDX-License-Identifier: MIT
// How far a job is, for people.
#ifndef TERN_BATCH_PROGRESS_H_
#define TERN_BATCH_PROGRESS_H_

#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>

#include "absl/time/time.h"

namespace tern {

struct JobProgress {
  uint64_t lines = 0;           // of the input; 0: not known
  uint64_t found = 0;           // answered before this run
  uint64_t answered = 0;        // in this run, errors among them
  uint64_t errors = 0;          // lines that could not be answered
  uint64_t tokens = 0;          // generated in this run
  absl::Duration elapsed = {};  // of this run
  // When the first and the last token of this run's answers came, counted as `elapsed` is.
  absl::Duration first_token = absl::InfiniteDuration();
  absl::Duration last_token = {};

  uint64_t done() const { return found + answered; }
};

// "1200/10000 lines (12 %), 345.6 tokens/s, 3 errors, 3m20s left". The time that is left goes by
// the pace of this run's lines; it is not said before any is answered.
std::string ProgressText(const JobProgress& progress);

// Shows it while a job runs: a line that redraws itself on a terminal, one a minute in a log.
class ProgressLine {
 public:
  // On `terminal`, which must outlive the object; if it is null, through `log`.
  ProgressLine(std::FILE* terminal, std::function<void(const std::string& text)> log);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void Show(const JobProgress& progress);

 private:
  std::FILE* const terminal_;
  const std::function<void(const std::string& text)> log_;
  bool drawn_ = false;
  absl::Duration logged_;
};

}  // namespace tern

#endif  // TERN_BATCH_PROGRESS_H_
