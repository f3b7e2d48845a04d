// SPDX-License-Identifier: MIT
// Starts MPI jobs of `tern-mpi` on this machine and reads what they report. Links no MPI.
#ifndef TERN_TOOLS_MPI_LAUNCHER_H_
#define TERN_TOOLS_MPI_LAUNCHER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/mpi_report.h"

namespace tern {

struct MpiJobOptions {
  std::string model;
  size_t ranks = 2;        // of one thread each
  uint64_t kv_tokens = 0;  // over all sequences
  std::string scratch;     // a folder for input and report
};

// Its jobs have one pipeline over all ranks. They end with the error of the job if it fails, its
// last words included; NOT_FOUND without mpirun.
class MpiLauncher {
 public:
  // NOT_FOUND if there is no tern-mpi beside this program.
  static absl::StatusOr<MpiLauncher> Find(const MpiJobOptions& options);

  // A hop of one row between two ranks.
  absl::StatusOr<HopTimes> Hop() const;

  // Continues all prompts greedily at once, each by just so many tokens.
  absl::StatusOr<MpiReport> Generate(const std::vector<std::string>& prompts,
                                     uint32_t tokens) const;

  // From the start of mpirun to the first token of one short prompt.
  absl::StatusOr<absl::Duration> TimeToFirstToken() const;

 private:
  MpiLauncher(MpiJobOptions options, std::string program);

  absl::StatusOr<MpiReport> Run(const std::vector<std::string>& flags,
                                absl::Duration* first_output) const;
  absl::Status WriteInput(const std::vector<std::string>& prompts) const;
  std::string InputPath() const;

  const MpiJobOptions options_;
  const std::string program_;
};

}  // namespace tern

#endif  // TERN_TOOLS_MPI_LAUNCHER_H_
