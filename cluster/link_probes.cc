// SPDX-License-Identifier: MIT
#include "cluster/link_probes.h"

#include <algorithm>

namespace tern {
namespace {

// Of a link that could not be probed: nothing is planned over it that can be planned otherwise.
constexpr LinkSpeed kUnusable = {.bytes_per_second = 1e4, .latency_seconds = 1};

}  // namespace

void LinkProbes::Add(WorkerId worker, const std::string& host) { hosts_[worker] = host; }

void LinkProbes::Remove(WorkerId worker) {
  std::vector<uint64_t> broken;
  for (const auto& [number, work] : at_work_) {
    if (work.probe.from == worker || work.probe.to == worker) broken.push_back(number);
  }
  // Not the link's fault: it is probed again when there is somebody to.
  for (const uint64_t number : broken) at_work_.erase(number);
  const auto found = hosts_.find(worker);
  if (found == hosts_.end()) return;
  const std::string host = found->second;
  hosts_.erase(found);
  const bool is_gone = std::none_of(hosts_.begin(), hosts_.end(),
                                    [&](const auto& entry) { return entry.second == host; });
  // A host that comes back may have another network.
  if (is_gone) {
    std::erase_if(speeds_, [&](const auto& entry) {
      return entry.first.first == host || entry.first.second == host;
    });
  }
}

std::vector<LinkProbes::Probe> LinkProbes::Start(absl::Time now) {
  std::vector<Probe> started;
  while (const std::optional<Probe> next = Next(now)) started.push_back(*next);
  return started;
}

bool LinkProbes::IsBusy(const std::string& host) const {
  return std::any_of(at_work_.begin(), at_work_.end(), [&](const auto& entry) {
    return entry.second.hosts.first == host || entry.second.hosts.second == host;
  });
}

std::map<std::string, std::vector<LinkProbes::WorkerId>> LinkProbes::ProbedHosts() const {
  std::map<std::string, std::vector<WorkerId>> probed;
  for (const auto& [worker, host] : hosts_) {
    if (probed.size() < kMostProbedHosts || probed.contains(host)) probed[host].push_back(worker);
  }
  return probed;
}

std::optional<LinkProbes::Probe> LinkProbes::Next(absl::Time now) {
  const std::map<std::string, std::vector<WorkerId>> probed = ProbedHosts();
  for (const auto& [from_host, senders] : probed) {
    if (IsBusy(from_host)) continue;
    for (const auto& [to_host, receivers] : probed) {
      const Pair pair = {from_host, to_host};
      const bool to_itself = from_host == to_host;
      if (to_itself && receivers.size() < 2) continue;
      if (speeds_.contains(pair) || IsBusy(to_host)) continue;
      const Probe probe = {++last_number_, senders.front(), receivers[to_itself ? 1 : 0]};
      at_work_[probe.number] = {probe, pair, now + kProbePatience};
      return probe;
    }
  }
  return std::nullopt;
}

std::optional<std::pair<LinkProbes::WorkerId, LinkProbes::WorkerId>> LinkProbes::Finish(
    uint64_t number, std::optional<LinkSpeed> found) {
  const auto work = at_work_.find(number);
  if (work == at_work_.end()) return std::nullopt;
  const Probe probe = work->second.probe;
  speeds_[work->second.hosts] = found.value_or(kUnusable);
  at_work_.erase(work);
  return std::pair(probe.from, probe.to);
}

std::vector<uint64_t> LinkProbes::Overdue(absl::Time now) const {
  std::vector<uint64_t> numbers;
  for (const auto& [number, work] : at_work_) {
    if (now > work.until) numbers.push_back(number);
  }
  return numbers;
}

std::optional<LinkSpeed> LinkProbes::Speed(WorkerId from, WorkerId to) const {
  const auto a = hosts_.find(from);
  const auto b = hosts_.find(to);
  if (a == hosts_.end() || b == hosts_.end()) return std::nullopt;
  const auto found = speeds_.find({a->second, b->second});
  if (found == speeds_.end()) return std::nullopt;
  return found->second;
}

}  // namespace tern
