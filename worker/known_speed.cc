// SPDX-License-Identifier: MIT
#include "worker/known_speed.h"

#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/bytes.h"
#include "base/cpuset.h"
#include "base/file_notes.h"
#include "base/host_id.h"
#include "base/log.h"
#include "base/program.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "worker/speed.h"

namespace tern {
namespace {

constexpr absl::Duration kKept = absl::Hours(7 * 24);

std::string NameFor(const Topology& topology, const std::vector<int>& cpus, const Kernels& kernels,
                    size_t threads) {
  const std::string text = absl::StrCat(
      ProgramBuild(), "\n", HostId(), "\n", topology.ToString(), "\n", topology.processor_quota,
      "\n", CpusetName(cpus), "\n", threads, "\n", IsaName(kernels.isa), "\n",
      kernels.is_forced ? kernels.matrix.ToString() : "", "\n", kernels.screen_from_rows);
  return "speed-" + Sha256Hex(AsBytes(text));
}

// All numbers of a speed, always in the same order.
std::vector<double*> NumbersOf(WorkerSpeed& speed) {
  std::vector<double*> numbers = {&speed.attention, &speed.attention_q8,
                                  &speed.read_bytes_per_second};
  for (double& seconds : speed.ternary.seconds) numbers.push_back(&seconds);
  for (double& seconds : speed.dense.seconds) numbers.push_back(&seconds);
  return numbers;
}

}  // namespace

KnownSpeed::KnownSpeed(const std::string& cache_directory, const Topology& topology,
                       const std::vector<int>& cpus, const Kernels& kernels, size_t threads)
    : directory_(cache_directory.empty() ? "" : cache_directory + "/notes"),
      name_(NameFor(topology, cpus, kernels, threads)) {}

std::optional<WorkerSpeed> KnownSpeed::Find(absl::Time now) const {
  const std::string note = FileNotes(directory_).Read(name_);
  const std::vector<std::string> words = absl::StrSplit(note, ' ');
  WorkerSpeed speed;
  const std::vector<double*> numbers = NumbersOf(speed);
  int64_t kept = 0;
  if (words.size() != numbers.size() + 1 || !absl::SimpleAtoi(words[0], &kept)) return std::nullopt;
  const absl::Duration age = now - absl::FromUnixSeconds(kept);
  if (age < absl::ZeroDuration() || age > kKept) return std::nullopt;
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (!absl::SimpleAtod(words[i + 1], numbers[i])) return std::nullopt;
  }
  // A damaged note is no speed that a planner takes.
  if (!Validate(ClusterProfile{{{"", 1, speed, FastLink()}}, {}}).ok()) return std::nullopt;
  return speed;
}

void KnownSpeed::Keep(const WorkerSpeed& speed, absl::Time now) const {
  WorkerSpeed copy = speed;
  std::string note = absl::StrCat(absl::ToUnixSeconds(now));
  for (const double* number : NumbersOf(copy)) absl::StrAppendFormat(&note, " %.17g", *number);
  FileNotes(directory_).Write(name_, note);
}

absl::StatusOr<SpeedOrigin> FindOrMeasureSpeed(const KnownSpeed& known, bool again,
                                               const Kernels& kernels, ThreadPool& pool) {
  if (!again) {
    const std::optional<WorkerSpeed> found = known.Find(absl::Now());
    if (found.has_value()) return SpeedOrigin{*found, true};
  }
  LogInfo("measuring how fast this machine is");
  TERN_ASSIGN_OR_RETURN(const WorkerSpeed speed, MeasureSpeed(kernels, pool));
  known.Keep(speed, absl::Now());
  return SpeedOrigin{speed, false};
}

}  // namespace tern
