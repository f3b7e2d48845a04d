// SPDX-License-Identifier: MIT
// How fast the links between hosts are: which are to be probed next, and what was found. Pure. Each
// direction of each pair of hosts is probed once, from one worker to another, and again if it
// failed or is doubted; no host takes part in two probes at once, because they would measure each
// other.
#ifndef TERN_CLUSTER_LINK_PROBES_H_
#define TERN_CLUSTER_LINK_PROBES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "partition/worker_profile.h"

namespace tern {

// Beyond so many hosts nothing more is probed: pairs grow with the square.
inline constexpr size_t kMostProbedHosts = 32;
// How long the answer to a probe may take before it counts as failed.
inline constexpr absl::Duration kProbePatience = absl::Seconds(10);
// When a link whose probe failed is probed again.
inline constexpr absl::Duration kProbeAgain = absl::Seconds(30);

// Thread-compatible.
class LinkProbes {
 public:
  using WorkerId = uint64_t;

  // A probe to start: worker `from` sends to worker `to`.
  struct Probe {
    uint64_t number = 0;
    WorkerId from = 0;
    WorkerId to = 0;
  };

  // A probe that ended.
  struct Ended {
    WorkerId from = 0;
    WorkerId to = 0;
    bool is_news = true;  // not the failure of a link that had failed before
  };

  // A worker came or went. The probes at work of one that left have failed.
  void Add(WorkerId worker, const std::string& host);
  void Remove(WorkerId worker);

  // The probes that can start now.
  std::vector<Probe> Start(absl::Time now);

  // The answer to a probe; nothing if it failed: the link then counts as too slow to be used, until
  // another probe succeeds. Returns nothing for a number that is not at work.
  std::optional<Ended> Finish(uint64_t number, std::optional<LinkSpeed> found, absl::Time now);

  // The way from one worker to another does not work as it did: what is known of it is forgotten.
  void Doubt(WorkerId from, WorkerId to);

  // The numbers of probes whose time is over at `now`.
  std::vector<uint64_t> Overdue(absl::Time now) const;

  // Whether nothing is at work but links that had failed before. (What Start would start counts as
  // nothing: call it first.)
  bool idle() const;

  // From one worker to another; nothing if it is not known.
  std::optional<LinkSpeed> Speed(WorkerId from, WorkerId to) const;

 private:
  using Pair = std::pair<std::string, std::string>;  // of hosts: from, to
  struct AtWork {
    Probe probe;
    Pair hosts;
    absl::Time until;
  };

  bool IsBusy(const std::string& host) const;
  std::map<std::string, std::vector<WorkerId>> ProbedHosts() const;  // and their workers
  std::optional<Pair> PairOf(WorkerId from, WorkerId to) const;
  bool IsDue(const Pair& pair, absl::Time now, bool again) const;
  // A pair that is to be probed, for the first time or `again`, and is free.
  std::optional<Probe> Next(absl::Time now, bool again);

  std::map<WorkerId, std::string> hosts_;  // of workers
  std::map<Pair, LinkSpeed> speeds_;
  std::map<Pair, absl::Time> failed_;   // of those, when to be probed again
  std::map<uint64_t, AtWork> at_work_;  // by number
  uint64_t last_number_ = 0;
};

}  // namespace tern

#endif  // TERN_CLUSTER_LINK_PROBES_H_
