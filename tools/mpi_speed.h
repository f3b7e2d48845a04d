// SPDX-License-Identifier: MIT
// What the ranks tell each other of their speed.
#ifndef TERN_TOOLS_MPI_SPEED_H_
#define TERN_TOOLS_MPI_SPEED_H_

#include <string>

#include "absl/status/statusor.h"
#include "model/config.h"
#include "partition/worker_profile.h"
#include "worker/speed.h"

namespace tern {

// Measuring takes about a second, as long as small models take for a good part of their job: those
// are shared out by the ranks' numbers of threads.
bool IsWorthMeasuring(const ModelConfig& config);
WorkerSpeed NominalSpeed(size_t threads);

std::string Encode(const WorkerProfile& profile);
// DATA_LOSS for anything that Encode did not make. The link is not part of it.
absl::StatusOr<WorkerProfile> DecodeProfile(const std::string& text);

}  // namespace tern

#endif  // TERN_TOOLS_MPI_SPEED_H_
