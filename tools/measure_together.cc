// SPDX-License-Identifier: MIT
#include "tools/measure_together.h"

#include "base/status_macros.h"
#include "base/thread_pool.h"
#include "base/topology.h"
#include "kernels/registry.h"
#include "tools/together.h"
#include "worker/speed.h"

namespace tern {
namespace {

absl::Status MeasureOn(int cpu, const Kernels& kernels, WorkerSpeed& speed) {
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<ThreadPool> pool,
                        ThreadPool::Create({.threads = 1, .cpus = {cpu}}));
  TERN_ASSIGN_OR_RETURN(speed, MeasureSpeed(kernels, *pool));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<WorkerSpeed>> MeasureTogether(const std::vector<int>& cpus) {
  TERN_ASSIGN_OR_RETURN(const Topology topology, DetectTopology());
  TERN_ASSIGN_OR_RETURN(Kernels kernels, ChooseKernels());
  kernels.may_cache = true;
  kernels.l2_bytes = topology.l2_bytes;
  std::vector<WorkerSpeed> speeds(cpus.size());
  TERN_RETURN_IF_ERROR(
      RunTogether(cpus.size(), [&](size_t i) { return MeasureOn(cpus[i], kernels, speeds[i]); }));
  for (size_t i = 0; i < speeds.size(); ++i) {
    for (size_t earlier = 0; earlier < i; ++earlier) EvenOut(speeds[earlier], speeds[i]);
  }
  return speeds;
}

}  // namespace tern
