// SPDX-License-Identifier: MIT
// How the ranks of a job go from one step of their start to the next together.
#ifndef TERN_TOOLS_MPI_EXCHANGE_H_
#define TERN_TOOLS_MPI_EXCHANGE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cluster/mpi_world.h"

namespace tern {

// Every rank's `mine`, in order of ranks, or on all ranks the same error, which names the first
// rank that came with one. Every rank calls it; a rank that does not within `limit` ends the job,
// named by rank 0.
absl::StatusOr<std::vector<std::string>> Exchange(MpiWorld& world,
                                                  const absl::StatusOr<std::string>& mine,
                                                  absl::Duration limit);

}  // namespace tern

#endif  // TERN_TOOLS_MPI_EXCHANGE_H_
