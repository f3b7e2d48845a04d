// SPDX-License-Identifier: MIT
// What this machine can do at best with a number of threads: what speeds are held against.
#ifndef TERN_BENCH_LIMITS_H_
#define TERN_BENCH_LIMITS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/thread_pool.h"
#include "base/topology.h"
#include "bench/statistics.h"
#include "kernels/registry.h"

namespace tern {

struct Limits {
  uint64_t threads = 0;
  std::string probe = {};    // the kernel that measured
  double read_gb_per_s = 0;  // the best pass over a buffer far larger than the caches; 1e9 bytes
  double read_median_gb_per_s = 0;
  double int8_gmac_per_s = 0;  // the best; 1e9 multiply-adds
  double int8_median_gmac_per_s = 0;
  double sync_ns = 0;  // of one ThreadPool::Sync, the best; 0 with one thread: nobody to wait for
  double sync_median_ns = 0;
  bool operator==(const Limits&) const = default;
};

// Measures all again each time it is asked and keeps all samples: between other measurements, so
// that what disturbs these disturbs the limits too. Thread-compatible.
class LimitsMeter {
 public:
  // `pool` must outlive the object.
  LimitsMeter(const Topology& topology, ThreadPool* pool);

  // Takes about `budget`, and 0.1 s to fill the buffer, which is freed again.
  void Measure(absl::Duration budget);

  // REQUIRES that Measure was called.
  Limits result() const;

 private:
  void MeasureRead(absl::Duration budget);
  void MeasureDot(absl::Duration budget);
  void MeasureSync(absl::Duration budget);

  const ProbeKernel probe_;  // the best of this CPU, whatever kernels the model runs on
  const size_t buffer_bytes_;
  ThreadPool* const pool_;
  std::vector<double> read_;  // bytes/s
  std::vector<double> dot_;   // multiply-adds/s
  std::vector<double> sync_;  // seconds
};

}  // namespace tern

#endif  // TERN_BENCH_LIMITS_H_
