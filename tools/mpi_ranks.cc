// SPDX-License-Identifier: MIT
#include "tools/mpi_ranks.h"

#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/cpuset.h"
#include "base/host_id.h"
#include "base/version.h"
#include "cluster/messages.h"

namespace tern {
namespace {

using Json = nlohmann::ordered_json;

std::string Hostname() {
  char name[256] = "";
  gethostname(name, sizeof(name) - 1);
  return name;
}

// The text fields, by their names: what Encode and Decode walk.
struct TextField {
  const char* name;
  std::string RankInfo::*text;
};
constexpr TextField kTexts[] = {
    {"build", &RankInfo::build},     {"model", &RankInfo::model},
    {"rope", &RankInfo::rope},       {"hostname", &RankInfo::hostname},
    {"machine", &RankInfo::machine}, {"network", &RankInfo::network},
    {"cpus", &RankInfo::cpus},
};

// The value that most ranks have; of equally frequent ones that of the first rank.
std::string MostFrequent(const std::vector<std::string>& values) {
  std::map<std::string, size_t> counts;
  for (const std::string& value : values) ++counts[value];
  return *std::max_element(
      values.begin(), values.end(),
      [&](const std::string& a, const std::string& b) { return counts[a] < counts[b]; });
}

absl::Status CheckSame(const std::vector<RankInfo>& ranks, const char* what,
                       std::string (*value)(const RankInfo&)) {
  std::vector<std::string> values;
  for (const RankInfo& rank : ranks) values.push_back(value(rank));
  const std::string want = MostFrequent(values);
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    if (values[rank] == want) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "rank ", rank, " on ", ranks[rank].hostname, ": ", what, ": found ", values[rank],
        ", want ", want, " as ", std::count(values.begin(), values.end(), want), " of ",
        ranks.size(), " ranks have"));
  }
  return absl::OkStatus();
}

}  // namespace

RankInfo DescribeRank(const Topology& topology) {
  RankInfo info;
  info.build = kVersion;
  info.protocol = kProtocolVersion;
  info.hostname = Hostname();
  info.machine = HostId();
  struct stat network = {};
  if (stat("/proc/self/ns/net", &network) == 0) info.network = absl::StrCat(network.st_ino);
  info.cpus = CpusetName(topology.Cpus());
  return info;
}

std::string Encode(const RankInfo& info) {
  Json json = {{"protocol", info.protocol}};
  for (const TextField& field : kTexts) json[field.name] = info.*field.text;
  return json.dump();
}

absl::StatusOr<std::vector<RankInfo>> DecodeRanks(const std::vector<std::string>& texts) {
  std::vector<RankInfo> ranks;
  for (size_t rank = 0; rank < texts.size(); ++rank) {
    const Json json = Json::parse(texts[rank], nullptr, /*allow_exceptions=*/false);
    bool sound = json.is_object() && json.contains("protocol") && json["protocol"].is_number();
    RankInfo& info = ranks.emplace_back();
    if (sound) info.protocol = json["protocol"].get<uint32_t>();
    for (const TextField& field : kTexts) {
      sound = sound && json.contains(field.name) && json[field.name].is_string();
      if (sound) info.*field.text = json[field.name].get<std::string>();
    }
    if (!sound) return absl::DataLossError(absl::StrCat("rank ", rank, ": says what cannot be"));
  }
  return ranks;
}

absl::Status CheckAlike(const std::vector<RankInfo>& ranks) {
  absl::Status status = CheckSame(ranks, "build", [](const RankInfo& r) { return r.build; });
  if (!status.ok()) return status;
  status = CheckSame(ranks, "protocol", [](const RankInfo& r) { return absl::StrCat(r.protocol); });
  if (!status.ok()) return status;
  status = CheckSame(ranks, "model", [](const RankInfo& r) { return r.model; });
  if (!status.ok()) return status;
  return CheckSame(ranks, "rotary tables", [](const RankInfo& r) { return r.rope; });
}

CpuShare ShareOf(const std::vector<RankInfo>& ranks, size_t rank) {
  CpuShare share{0, 0};
  for (size_t other = 0; other < ranks.size(); ++other) {
    if (ranks[other].machine != ranks[rank].machine || ranks[other].cpus != ranks[rank].cpus) {
      continue;
    }
    if (other < rank) ++share.part;
    ++share.parts;
  }
  return share;
}

std::vector<size_t> HostNumbers(const std::vector<RankInfo>& ranks) {
  std::map<std::string, size_t> numbers;
  std::vector<size_t> hosts;
  for (const RankInfo& rank : ranks) {
    hosts.push_back(
        numbers.try_emplace(rank.machine + "/" + rank.network, numbers.size()).first->second);
  }
  return hosts;
}

std::string BindingWarning(size_t allowed_here, size_t allowed_launcher, size_t ranks_here) {
  if (allowed_here * ranks_here >= allowed_launcher) return "";
  return absl::StrCat("the launcher binds each rank to ", allowed_here, " of ", allowed_launcher,
                      " processors, for ", ranks_here, ranks_here == 1 ? " rank" : " ranks",
                      " on this machine; use mpirun --bind-to none");
}

size_t LauncherCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(getppid(), sizeof(set), &set) != 0) return 0;
  return static_cast<size_t>(CPU_COUNT(&set));
}

}  // namespace tern
