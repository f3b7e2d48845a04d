// SPDX-License-Identifier: MIT
#include "partition/worker_profile.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"

namespace tern {
namespace {

absl::Status CheckPositive(absl::string_view owner, absl::string_view field, double found) {
  if (std::isfinite(found) && found > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(owner, ": ", field, ": found ", found, ", want a positive number"));
}

absl::Status CheckRows(absl::string_view owner, absl::string_view field, const RowSeconds& times) {
  for (size_t i = 0; i < kMeasuredRows.size(); ++i) {
    TERN_RETURN_IF_ERROR(CheckPositive(
        owner, absl::StrCat(field, " seconds of ", kMeasuredRows[i], " rows"), times.seconds[i]));
  }
  return absl::OkStatus();
}

absl::Status CheckLink(absl::string_view owner, const LinkSpeed& link) {
  TERN_RETURN_IF_ERROR(CheckPositive(owner, "link bytes per second", link.bytes_per_second));
  if (std::isfinite(link.latency_seconds) && link.latency_seconds >= 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      owner, ": link latency: found ", link.latency_seconds, " seconds, want a number from 0"));
}

absl::Status CheckWorker(const WorkerProfile& worker) {
  const std::string owner = absl::StrCat("worker ", worker.name);
  TERN_RETURN_IF_ERROR(CheckRows(owner, "ternary", worker.speed.ternary));
  TERN_RETURN_IF_ERROR(CheckRows(owner, "dense", worker.speed.dense));
  TERN_RETURN_IF_ERROR(CheckPositive(owner, "attention seconds", worker.speed.attention));
  TERN_RETURN_IF_ERROR(CheckPositive(owner, "q8 attention seconds", worker.speed.attention_q8));
  TERN_RETURN_IF_ERROR(
      CheckPositive(owner, "read bytes per second", worker.speed.read_bytes_per_second));
  return CheckLink(owner, worker.link);
}

// The most that noise makes of two equal times: see EvenOut.
constexpr double kNoise = 1.8;

bool IsNear(const RowSeconds& a, const RowSeconds& b) {
  for (size_t i = 0; i < kMeasuredRows.size(); ++i) {
    const auto [least, most] = std::minmax(a.seconds[i], b.seconds[i]);
    if (least <= 0 || most > kNoise * least) return false;
  }
  return true;
}

}  // namespace

double RowSeconds::For(double rows) const {
  if (rows <= 0) return 0;
  if (rows <= kMeasuredRows.front()) return seconds.front();
  for (size_t i = 1; i < kMeasuredRows.size(); ++i) {
    if (rows > kMeasuredRows[i]) continue;
    const double low = kMeasuredRows[i - 1], high = kMeasuredRows[i];
    return seconds[i - 1] + (seconds[i] - seconds[i - 1]) * (rows - low) / (high - low);
  }
  return seconds.back() * rows / kMeasuredRows.back();
}

absl::Status Validate(const ClusterProfile& cluster) {
  if (cluster.workers.empty()) {
    return absl::InvalidArgumentError("plan: found no workers, want at least 1");
  }
  for (const WorkerProfile& worker : cluster.workers) TERN_RETURN_IF_ERROR(CheckWorker(worker));
  const size_t workers = cluster.workers.size();
  for (const PairLink& pair : cluster.pairs) {
    if (pair.from >= workers || pair.to >= workers || pair.from == pair.to) {
      return absl::InvalidArgumentError(absl::StrCat(
          "link from worker ", pair.from, " to ", pair.to, ": want two of ", workers, " workers"));
    }
    TERN_RETURN_IF_ERROR(CheckLink(absl::StrCat("link from ", cluster.workers[pair.from].name,
                                                " to ", cluster.workers[pair.to].name),
                                   pair.speed));
  }
  return absl::OkStatus();
}

void EvenOut(WorkerSpeed& a, WorkerSpeed& b) {
  if (!IsNear(a.ternary, b.ternary) || !IsNear(a.dense, b.dense)) return;
  for (size_t i = 0; i < kMeasuredRows.size(); ++i) {
    a.ternary.seconds[i] = std::min(a.ternary.seconds[i], b.ternary.seconds[i]);
    a.dense.seconds[i] = std::min(a.dense.seconds[i], b.dense.seconds[i]);
  }
  a.attention = std::min(a.attention, b.attention);
  a.attention_q8 = std::min(a.attention_q8, b.attention_q8);
  a.read_bytes_per_second = std::max(a.read_bytes_per_second, b.read_bytes_per_second);
  b = a;
}

LinkSpeed FastLink() { return {.bytes_per_second = 10e9, .latency_seconds = 20e-6}; }

}  // namespace tern
