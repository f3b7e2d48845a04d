// SPDX-License-Identifier: MIT
#include "tools/mpi_links.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "cluster/clock.h"
#include "tools/mpi_exchange.h"

namespace tern {
namespace {

constexpr int kSmallRounds = 10;
constexpr int kLargeRounds = 3;
constexpr size_t kSmallBytes = 64;
constexpr size_t kLargeBytes = size_t{1} << 20;
constexpr absl::Duration kLettersLimit = absl::Seconds(20);

// Half of the fastest round trip.
absl::StatusOr<double> OneWaySeconds(MpiWorld& world, int to, size_t bytes, int rounds) {
  const std::string letter(bytes, 'x');
  double fastest = 1e9;
  for (int round = 0; round < rounds; ++round) {
    const absl::Time begin = MonotonicNow();
    world.PostLetter(to, letter);
    TERN_RETURN_IF_ERROR(world.TakeLetter(to, kLettersLimit).status());
    fastest = std::min(fastest, absl::ToDoubleSeconds(MonotonicNow() - begin));
  }
  return std::max(fastest / 2, 1e-7);
}

absl::Status Echo(MpiWorld& world, int from) {
  for (int round = 0; round < kSmallRounds + kLargeRounds; ++round) {
    TERN_ASSIGN_OR_RETURN(std::string letter, world.TakeLetter(from, kLettersLimit));
    world.PostLetter(from, std::move(letter));
  }
  return absl::OkStatus();
}

// "latency bytes/s" as the rank that measures finds them.
absl::StatusOr<std::string> Measure(MpiWorld& world, int to) {
  TERN_ASSIGN_OR_RETURN(const double small, OneWaySeconds(world, to, kSmallBytes, kSmallRounds));
  TERN_ASSIGN_OR_RETURN(const double large, OneWaySeconds(world, to, kLargeBytes, kLargeRounds));
  return absl::StrCat(small, " ", kLargeBytes / std::max(large - small, 1e-7));
}

absl::StatusOr<LinkSpeed> Parse(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ' ');
  LinkSpeed speed;
  if (parts.size() == 2 && absl::SimpleAtod(parts[0], &speed.latency_seconds) &&
      absl::SimpleAtod(parts[1], &speed.bytes_per_second)) {
    return speed;
  }
  return absl::DataLossError(absl::StrCat("link: found '", text, "', want two numbers"));
}

// One link, while the other ranks wait.
absl::StatusOr<LinkSpeed> MeasureLink(MpiWorld& world, size_t from, size_t to) {
  absl::StatusOr<std::string> mine = std::string();
  if (world.rank() == static_cast<int>(from)) mine = Measure(world, static_cast<int>(to));
  if (world.rank() == static_cast<int>(to)) {
    const absl::Status echoed = Echo(world, static_cast<int>(from));
    if (!echoed.ok()) mine = echoed;
  }
  TERN_ASSIGN_OR_RETURN(const std::vector<std::string> all, Exchange(world, mine, kLettersLimit));
  return Parse(all[from]);
}

}  // namespace

absl::Status MeasureLinks(MpiWorld& world, const std::vector<size_t>& hosts,
                          ClusterProfile& cluster) {
  std::map<std::pair<size_t, size_t>, LinkSpeed> speeds;  // by hosts, the lower number first
  const auto between = [&](size_t from, size_t to) {
    return std::minmax({hosts[from], hosts[to]});
  };
  for (size_t from = 0; from < hosts.size(); ++from) {
    for (size_t to = from + 1; to < hosts.size(); ++to) {
      const auto key = between(from, to);
      if (speeds.contains(key)) continue;
      TERN_ASSIGN_OR_RETURN(speeds[key], MeasureLink(world, from, to));
    }
  }
  if (speeds.size() == 1) {
    for (WorkerProfile& worker : cluster.workers) worker.link = speeds.begin()->second;
    return absl::OkStatus();
  }
  for (size_t from = 0; from < hosts.size(); ++from) {
    for (size_t to = 0; to < hosts.size(); ++to) {
      if (from != to) cluster.pairs.push_back({from, to, speeds[between(from, to)]});
    }
  }
  return absl::OkStatus();
}

}  // namespace tern
