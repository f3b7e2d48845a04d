// SPDX-License-Identifier: MIT
#include "tools/measure_together.h"

#include <thread>

#include "base/status_macros.h"
#include "base/thread_pool.h"
#include "base/topology.h"
#include "kernels/registry.h"
#include "worker/speed.h"

namespace tern {
namespace {

absl::StatusOr<WorkerSpeed> MeasureOn(int cpu, const Kernels& kernels) {
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<ThreadPool> pool,
                        ThreadPool::Create({.threads = 1, .cpus = {cpu}}));
  return MeasureSpeed(kernels, *pool);
}

}  // namespace

absl::StatusOr<std::vector<WorkerSpeed>> MeasureTogether(const std::vector<int>& cpus) {
  TERN_ASSIGN_OR_RETURN(const Topology topology, DetectTopology());
  TERN_ASSIGN_OR_RETURN(Kernels kernels, ChooseKernels());
  kernels.may_cache = true;
  kernels.l2_bytes = topology.l2_bytes;
  std::vector<absl::StatusOr<WorkerSpeed>> measured(cpus.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < cpus.size(); ++i) {
    threads.emplace_back([&, i] { measured[i] = MeasureOn(cpus[i], kernels); });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<WorkerSpeed> speeds;
  for (const absl::StatusOr<WorkerSpeed>& speed : measured) {
    TERN_RETURN_IF_ERROR(speed.status());
    speeds.push_back(*speed);
    for (size_t i = 0; i + 1 < speeds.size(); ++i) EvenOut(speeds[i], speeds.back());
  }
  return speeds;
}

}  // namespace tern
