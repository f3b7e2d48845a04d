// SPDX-License-Identifier: MIT
// Measures the links between hosts of an MPI job.
#ifndef TERN_TOOLS_MPI_LINKS_H_
#define TERN_TOOLS_MPI_LINKS_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "cluster/mpi_world.h"
#include "partition/worker_profile.h"

namespace tern {

// Fills in links and pairs of `cluster`, whose workers are the ranks. `hosts` are the ranks'
// hosts, by number. One pair of ranks stands for all of their two hosts. Every rank calls it;
// errors of Exchange.
absl::Status MeasureLinks(MpiWorld& world, const std::vector<size_t>& hosts,
                          ClusterProfile& cluster);

}  // namespace tern

#endif  // TERN_TOOLS_MPI_LINKS_H_
