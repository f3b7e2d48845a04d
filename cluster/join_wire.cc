// SPDX-License-Identifier: MIT
#include "cluster/join_wire.h"

#include <cmath>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cluster/wire_checks.h"

namespace tern {
namespace {

constexpr uint32_t kMaxCpu = 65535;
constexpr int kMaxCores = 65536;
constexpr uint32_t kMaxNodes = 4096;

// Processors, each once.
absl::StatusOr<std::vector<int>> ParseCpus(const char* field,
                                           const google::protobuf::RepeatedField<uint32_t>& proto) {
  std::vector<int> cpus;
  absl::flat_hash_set<uint32_t> seen;
  for (const uint32_t cpu : proto) {
    TERN_RETURN_IF_ERROR(CheckRange(field, cpu, 0, kMaxCpu));
    if (!seen.insert(cpu).second) return Refuse(field, absl::StrCat(cpu, " twice"), "each once");
    cpus.push_back(static_cast<int>(cpu));
  }
  return cpus;
}

absl::StatusOr<HostCore> ParseCore(const v1::HostCore& proto) {
  TERN_RETURN_IF_ERROR(CheckRange("cores.numa_node", proto.numa_node(), 0, kMaxNodes));
  TERN_ASSIGN_OR_RETURN(std::vector<int> cpus, ParseCpus("cores.cpus", proto.cpus()));
  if (cpus.empty()) return Refuse("cores.cpus", "none", "at least one");
  return HostCore{proto.numa_node(), std::move(cpus)};
}

}  // namespace

void FillHello(const Hello& from, v1::Hello& to) {
  to.set_name(from.name);
  to.set_version(from.version);
  to.set_protocol(from.protocol);
  to.set_host(from.host);
  to.set_hostname(from.hostname);
  for (const HostCore& core : from.cores) {
    v1::HostCore& proto = *to.add_cores();
    proto.set_numa_node(core.numa_node);
    for (const int cpu : core.cpus) proto.add_cpus(static_cast<uint32_t>(cpu));
  }
  to.set_automatic(from.automatic);
  for (const int cpu : from.cpus) to.add_cpus(static_cast<uint32_t>(cpu));
}

absl::StatusOr<Hello> ParseHello(const v1::Hello& proto) {
  TERN_RETURN_IF_ERROR(CheckName("name", proto.name()));
  TERN_RETURN_IF_ERROR(CheckName("version", proto.version()));
  TERN_RETURN_IF_ERROR(CheckName("host", proto.host()));
  TERN_RETURN_IF_ERROR(CheckName("hostname", proto.hostname()));
  TERN_RETURN_IF_ERROR(
      CheckRange("cores", static_cast<uint64_t>(proto.cores_size()), 1, kMaxCores));
  Hello hello{.name = proto.name(),
              .version = proto.version(),
              .protocol = proto.protocol(),
              .host = proto.host(),
              .hostname = proto.hostname(),
              .cores = {},
              .automatic = proto.automatic(),
              .cpus = {}};
  for (const v1::HostCore& core : proto.cores()) {
    TERN_ASSIGN_OR_RETURN(HostCore parsed, ParseCore(core));
    hello.cores.push_back(std::move(parsed));
  }
  TERN_ASSIGN_OR_RETURN(hello.cpus, ParseCpus("cpus", proto.cpus()));
  return hello;
}

void FillWelcome(const Welcome& from, v1::Welcome& to) {
  to.set_coordinator_version(from.coordinator_version);
  for (const int cpu : from.cpus) to.add_cpus(static_cast<uint32_t>(cpu));
}

absl::StatusOr<Welcome> ParseWelcome(const v1::Welcome& proto) {
  TERN_RETURN_IF_ERROR(CheckName("coordinator_version", proto.coordinator_version()));
  TERN_ASSIGN_OR_RETURN(std::vector<int> cpus, ParseCpus("cpus", proto.cpus()));
  return Welcome{proto.coordinator_version(), std::move(cpus)};
}

void FillLinkSpeed(const LinkSpeed& from, v1::LinkSpeed& to) {
  to.set_bytes_per_second(from.bytes_per_second);
  to.set_latency_seconds(from.latency_seconds);
}

absl::StatusOr<LinkSpeed> ParseLinkSpeed(const v1::LinkSpeed& proto) {
  if (!std::isfinite(proto.bytes_per_second()) || proto.bytes_per_second() <= 0) {
    return Refuse("bytes_per_second", absl::StrCat(proto.bytes_per_second()), "a positive number");
  }
  if (!std::isfinite(proto.latency_seconds()) || proto.latency_seconds() < 0) {
    return Refuse("latency_seconds", absl::StrCat(proto.latency_seconds()), "a number from 0");
  }
  return LinkSpeed{proto.bytes_per_second(), proto.latency_seconds()};
}

void FillLinkProbed(const LinkProbed& from, v1::LinkProbed& to) {
  to.set_number(from.number);
  to.set_code(static_cast<int32_t>(from.status.code()));
  to.set_message(Printable(from.status.message()));
  if (from.status.ok()) FillLinkSpeed(from.speed, *to.mutable_speed());
}

absl::StatusOr<LinkProbed> ParseLinkProbed(const v1::LinkProbed& proto) {
  LinkProbed probed{.number = proto.number(), .status = absl::OkStatus(), .speed = {}};
  TERN_RETURN_IF_ERROR(ParseStatus(proto.code(), proto.message(), probed.status));
  if (probed.status.ok()) {
    TERN_ASSIGN_OR_RETURN(probed.speed, ParseLinkSpeed(proto.speed()));
  }
  return probed;
}

absl::StatusOr<ProbeLink> ParseProbeLink(const v1::ProbeLink& proto) {
  TERN_RETURN_IF_ERROR(CheckPeerAddress("address", proto.address()));
  return ProbeLink{proto.number(), proto.address()};
}

absl::Status ParseStatus(int32_t code, const std::string& message, absl::Status& status) {
  if (code < 0) return Refuse("code", absl::StrCat(code), "a status code");
  TERN_RETURN_IF_ERROR(CheckRange("code", static_cast<uint64_t>(code), 0, 16));
  TERN_RETURN_IF_ERROR(CheckText("message", message, kMaxReasonBytes));
  status = absl::Status(static_cast<absl::StatusCode>(code), message);
  return absl::OkStatus();
}

}  // namespace tern
