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
    const auto is_of_host = [&](const auto& entry) {
      return entry.first.first == host || entry.first.second == host;
    };
    std::erase_if(speeds_, is_of_host);
    std::erase_if(failed_, is_of_host);
  }
}

std::vector<LinkProbes::Probe> LinkProbes::Start(absl::Time now) {
  std::vector<Probe> started;
  for (const bool again : {false, true}) {
    while (const std::optional<Probe> next = Next(now, again)) started.push_back(*next);
  }
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

bool LinkProbes::idle() const {
  return std::all_of(at_work_.begin(), at_work_.end(),
                     [&](const auto& entry) { return failed_.contains(entry.second.hosts); });
}

bool LinkProbes::IsDue(const Pair& pair, absl::Time now, bool again) const {
  if (!again) return !speeds_.contains(pair);
  const auto failed = failed_.find(pair);
  return failed != failed_.end() && now >= failed->second;
}

std::optional<LinkProbes::Probe> LinkProbes::Next(absl::Time now, bool again) {
  const std::map<std::string, std::vector<WorkerId>> probed = ProbedHosts();
  for (const auto& [from_host, senders] : probed) {
    if (IsBusy(from_host)) continue;
    for (const auto& [to_host, receivers] : probed) {
      const Pair pair = {from_host, to_host};
      const bool to_itself = from_host == to_host;
      if (to_itself && receivers.size() < 2) continue;
      if (!IsDue(pair, now, again) || IsBusy(to_host)) continue;
      const Probe probe = {++last_number_, senders.front(), receivers[to_itself ? 1 : 0]};
      at_work_[probe.number] = {probe, pair, now + kProbePatience};
      return probe;
    }
  }
  return std::nullopt;
}

std::optional<LinkProbes::Ended> LinkProbes::Finish(uint64_t number, std::optional<LinkSpeed> found,
                                                    absl::Time now) {
  const auto work = at_work_.find(number);
  if (work == at_work_.end()) return std::nullopt;
  const Probe probe = work->second.probe;
  const Pair hosts = work->second.hosts;
  at_work_.erase(work);
  const bool had_failed = failed_.erase(hosts) > 0;
  speeds_[hosts] = found.value_or(kUnusable);
  if (!found.has_value()) failed_[hosts] = now + kProbeAgain;
  return Ended{probe.from, probe.to, /*is_news=*/found.has_value() || !had_failed};
}

void LinkProbes::Doubt(WorkerId from, WorkerId to) {
  const std::optional<Pair> pair = PairOf(from, to);
  if (!pair.has_value()) return;
  speeds_.erase(*pair);
  failed_.erase(*pair);
}

std::vector<uint64_t> LinkProbes::Overdue(absl::Time now) const {
  std::vector<uint64_t> numbers;
  for (const auto& [number, work] : at_work_) {
    if (now > work.until) numbers.push_back(number);
  }
  return numbers;
}

std::optional<LinkProbes::Pair> LinkProbes::PairOf(WorkerId from, WorkerId to) const {
  const auto a = hosts_.find(from);
  const auto b = hosts_.find(to);
  if (a == hosts_.end() || b == hosts_.end()) return std::nullopt;
  return Pair(a->second, b->second);
}

std::optional<LinkSpeed> LinkProbes::Speed(WorkerId from, WorkerId to) const {
  const std::optional<Pair> pair = PairOf(from, to);
  if (!pair.has_value()) return std::nullopt;
  const auto found = speeds_.find(*pair);
  if (found == speeds_.end()) return std::nullopt;
  return found->second;
}

}  // namespace tern
