// SPDX-License-Identifier: MIT
// What `tern-mpi --report FILE` says of itself, and `tern bench mpi` reads (docs/batch.md has the
// keys). Pure.
#ifndef TERN_TOOLS_MPI_REPORT_H_
#define TERN_TOOLS_MPI_REPORT_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace tern {

// A rank's memory at the end of a job, in bytes.
struct RankMemory {
  uint32_t layers = 0;
  uint64_t peak = 0;     // most that was resident, everything included
  uint64_t weights = 0;  // packed layers, and what logits read
  uint64_t file = 0;     // pages of the model's file that are resident: rows of its tables
  uint64_t kv = 0;

  // What is none of these, negative if they were never resident in full.
  int64_t rest() const { return static_cast<int64_t>(peak - weights - file - kv); }
  bool operator==(const RankMemory&) const = default;
};

// One way of a step of one row.
struct HopTimes {
  uint32_t dim = 0;  // activations of the row
  uint32_t round_trips = 0;
  double median_us = 0;
  double p99_us = 0;
  bool operator==(const HopTimes&) const = default;
};

struct MpiReport {
  // Of a batch.
  uint64_t tokens = 0;       // generated
  double first_to_last = 0;  // seconds between the first of them and the last
  std::vector<RankMemory> ranks;
  // Of --bench-hop.
  std::optional<HopTimes> hop;

  double tokens_per_s() const {
    return tokens > 1 && first_to_last > 0 ? static_cast<double>(tokens - 1) / first_to_last : 0;
  }
  bool operator==(const MpiReport&) const = default;
};

nlohmann::ordered_json ToJson(const RankMemory& memory);
std::string Encode(const RankMemory& memory);
absl::StatusOr<RankMemory> DecodeRankMemory(const std::string& text);

std::string Encode(const MpiReport& report);
// DATA_LOSS for anything that Encode did not make; so with the above.
absl::StatusOr<MpiReport> DecodeReport(const std::string& text);

}  // namespace tern

#endif  // TERN_TOOLS_MPI_REPORT_H_
