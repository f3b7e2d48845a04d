// SPDX-License-Identifier: MIT
// Rank 0's part of a batch: files in and out, and what is said meanwhile.
#ifndef TERN_TOOLS_MPI_JOB_H_
#define TERN_TOOLS_MPI_JOB_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "batch/job.h"
#include "batch/journal.h"
#include "batch/line_reader.h"
#include "tools/mpi_flags.h"

namespace tern {

// The files of a job. Opened before the model is loaded, so that a wrong name costs nothing.
class BatchFiles {
 public:
  // NOT_FOUND for an input that is not there; INVALID_ARGUMENT for an output that is the input;
  // FAILED_PRECONDITION for an output that no journal belongs to; errors of Journal::Open.
  static absl::StatusOr<std::unique_ptr<BatchFiles>> Open(const MpiFlags& flags,
                                                          const BatchSettings& settings);

  // Answers the input with `options`, whose lines and on_progress are set here, and puts the output
  // in its place. Errors of RunJob and of the files.
  absl::StatusOr<JobProgress> Run(JobOptions options);

 private:
  BatchFiles() = default;

  LineReader input_;
  uint64_t lines_ = 0;
  std::string output_;
  std::unique_ptr<AnswerSink> sink_;
  Journal* journal_ = nullptr;  // the sink, unless the output is a pipe
};

}  // namespace tern

#endif  // TERN_TOOLS_MPI_JOB_H_
