// SPDX-License-Identifier: MIT
// What messages between ranks take.
#ifndef TERN_TOOLS_MPI_BENCH_H_
#define TERN_TOOLS_MPI_BENCH_H_

#include "absl/status/statusor.h"
#include "cluster/mpi_world.h"
#include "tools/mpi_report.h"

namespace tern {

// Sends a step of one row of 2,560 activations to and fro between ranks 0 and 1, as stages do it,
// and answers the times of one way, on rank 0. Every rank calls it. INVALID_ARGUMENT for less than
// two ranks.
absl::StatusOr<HopTimes> BenchHop(MpiWorld& world);

}  // namespace tern

#endif  // TERN_TOOLS_MPI_BENCH_H_
