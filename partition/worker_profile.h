// SPDX-License-Identifier: MIT
// What the planner knows of workers and of the network between them: measured by workers when they
// join (worker/speed.h), or described in a file (partition/hosts.h).
#ifndef TERN_PARTITION_WORKER_PROFILE_H_
#define TERN_PARTITION_WORKER_PROFILE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace tern {

// Rows of a step for which workers know their times.
inline constexpr std::array<uint32_t, 4> kMeasuredRows = {1, 8, 64, 512};

// Seconds that an amount of work takes, by the rows that share a reading of the weights.
struct RowSeconds {
  std::array<double, kMeasuredRows.size()> seconds = {};  // for kMeasuredRows[i] rows

  // Linear between the measured rows, in proportion to rows outside of them but for a first row,
  // which costs as much as any part of it; 0 for none.
  double For(double rows) const;
  bool operator==(const RowSeconds&) const = default;
};

// Times of the whole worker, all its threads together.
struct WorkerSpeed {
  RowSeconds ternary;    // for 1e9 ternary weights of layers, with all that a layer does beside
  RowSeconds dense;      // for 1e9 bytes of the screen of a head that is not ternary
  // Seconds for 1e9 products of attention, of a query element and a key's or of a weight and a
  // value's, over a KV cache of floats and one of q8.
  double attention = 0;
  double attention_q8 = 0;
  double read_bytes_per_second = 0;
  bool operator==(const WorkerSpeed&) const = default;
};

// One way.
struct LinkSpeed {
  double bytes_per_second = 0;
  double latency_seconds = 0;
  bool operator==(const LinkSpeed&) const = default;
};

struct WorkerProfile {
  std::string name;
  uint64_t memory_bytes = 0;  // it may use
  WorkerSpeed speed;
  LinkSpeed link;  // to the network; on a path the smaller bandwidth and the larger latency count
  std::optional<size_t> host = {};  // its number, for those that may share one
};

// A path that is not what the ends' links make of it. The way back is another.
struct PairLink {
  size_t from = 0;  // indices of workers
  size_t to = 0;
  LinkSpeed speed;
};

struct ClusterProfile {
  std::vector<WorkerProfile> workers;
  std::vector<PairLink> pairs;  // the last one counts if there are several of a pair
};

// INVALID_ARGUMENT, naming worker and field, if there are no workers, a time, rate or bandwidth is
// not a positive finite number, a latency not a finite one of at least 0, or a pair names no two
// workers.
absl::Status Validate(const ClusterProfile& cluster);

// Of two workers of one machine with as many threads: unless one takes nearly twice as long for
// some step, their processors are of one kind, and they differ by what else the machine did while
// they measured. Both then get the best of either's numbers. Else, or if one is not known, nothing
// happens.
void EvenOut(WorkerSpeed& a, WorkerSpeed& b);

// A link that hides behind computing: for those that nobody measured.
LinkSpeed FastLink();

}  // namespace tern

#endif  // TERN_PARTITION_WORKER_PROFILE_H_
