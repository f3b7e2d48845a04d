// SPDX-License-Identifier: MIT
#include "tools/cluster_status.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "base/human_bytes.h"
#include "base/status_macros.h"
#include "cluster/address.h"
#include "cluster/grpc_util.h"

namespace tern {
namespace {

using Json = nlohmann::ordered_json;

constexpr auto kTimeout = std::chrono::seconds(5);

std::string Human(uint64_t bytes) { return HumanBytes(static_cast<double>(bytes)); }

std::string PercentText(double share) { return absl::StrFormat("%.1f %%", 100 * share); }

std::string Layers(uint32_t first, uint32_t end) {
  return first == end ? "-" : absl::StrCat(first, "-", end - 1);
}

std::string Uptime(double seconds) {
  return absl::FormatDuration(absl::Seconds(static_cast<int64_t>(seconds)));
}

size_t NameWidth(const v1::GetStatusResponse& status) {
  size_t width = std::string("worker").size();
  for (const v1::WorkerStatus& worker : status.workers()) {
    width = std::max(width, worker.name().size());
  }
  return width;
}

std::string Summary(const v1::GetStatusResponse& status) {
  const v1::LoadStatus& load = status.load();
  const std::string state =
      status.epoch() == 0 ? absl::StrCat("no pipeline is up", status.why_down().empty() ? "" : ": ",
                                         status.why_down())
                          : absl::StrCat("serving (epoch ", status.epoch(), ")");
  std::string text = absl::StrFormat("%s: %s; coordinator up %s, tern %s\n", status.model(), state,
                                     Uptime(status.uptime_seconds()), status.version());
  absl::StrAppendFormat(&text, "  requests: %u running, %u waiting; %.1f tokens/s, %u so far\n",
                        load.running(), load.waiting(), load.tokens_per_second(),
                        load.generated_tokens());
  absl::StrAppendFormat(&text, "  steps: %u in flight, %u done; bubble %s\n",
                        load.steps_in_flight(), load.steps_done(),
                        load.has_bubble() ? PercentText(load.bubble()) : "-");
  absl::StrAppendFormat(
      &text, "  KV cache: %u of %u pages held, %u kept for prompts that come again",
      load.kv_pages() - load.free_kv_pages(), load.kv_pages(), load.cached_kv_pages());
  if (load.admitted_tokens() > 0) {
    absl::StrAppend(&text, "; found there ",
                    PercentText(static_cast<double>(load.shared_tokens()) /
                                static_cast<double>(load.admitted_tokens())));
  }
  return text + "\n";
}

std::string StagesTable(const v1::GetStatusResponse& status) {
  const auto width = static_cast<int>(NameWidth(status));
  std::string text = absl::StrFormat("\n  %5s  %-*s  %9s %10s %10s\n", "stage", width, "worker",
                                     "layers", "weights", "KV");
  for (int i = 0; i < status.stages_size(); ++i) {
    const v1::StageStatus& stage = status.stages(i);
    absl::StrAppendFormat(&text, "  %5d  %-*s  %9s %10s %10s\n", i, width, stage.worker(),
                          Layers(stage.first_layer(), stage.end_layer()),
                          Human(stage.weight_bytes()), Human(stage.kv_bytes()));
  }
  return text;
}

// What changes first: a narrow terminal has no room for all.
std::string WorkersTable(const v1::GetStatusResponse& status) {
  const auto width = static_cast<int>(NameWidth(status));
  std::string text = absl::StrFormat("\n  %-*s  %-9s %9s %8s %6s %10s %10s %7s  %-10s  %-10s  %s\n",
                                     width, "worker", "state", "layers", "busy", "queued", "steps",
                                     "memory", "threads", "cpus", "isa", "host");
  for (const v1::WorkerStatus& worker : status.workers()) {
    absl::StrAppendFormat(&text, "  %-*s  %-9s %9s %8s %6u %10u %10s %7u  %-10s  %-10s  %s\n",
                          width, worker.name(), worker.state(),
                          Layers(worker.first_layer(), worker.end_layer()),
                          worker.has_busy() ? PercentText(worker.busy()) : "-",
                          worker.steps_queued(), worker.steps_done(), Human(worker.memory_bytes()),
                          worker.threads(), worker.cpuset(), worker.isa(), worker.hostname());
  }
  return text;
}

Json LoadJson(const v1::LoadStatus& load) {
  Json json = {{"running", load.running()},
               {"waiting", load.waiting()},
               {"tokens_per_second", load.tokens_per_second()},
               {"bubble", nullptr},
               {"kv_pages", load.kv_pages()},
               {"free_kv_pages", load.free_kv_pages()},
               {"cached_kv_pages", load.cached_kv_pages()},
               {"steps_in_flight", load.steps_in_flight()},
               {"steps_done", load.steps_done()},
               {"generated_tokens", load.generated_tokens()},
               {"admitted_tokens", load.admitted_tokens()},
               {"shared_tokens", load.shared_tokens()},
               {"preemptions", load.preemptions()},
               {"recoveries", load.recoveries()}};
  if (load.has_bubble()) json["bubble"] = load.bubble();
  return json;
}

Json WorkerJson(const v1::WorkerStatus& worker) {
  Json json = {{"name", worker.name()},
               {"state", worker.state()},
               {"hostname", worker.hostname()},
               {"data_address", worker.data_address()},
               {"cpuset", worker.cpuset()},
               {"threads", worker.threads()},
               {"isa", worker.isa()},
               {"memory_bytes", worker.memory_bytes()},
               {"first_layer", worker.first_layer()},
               {"end_layer", worker.end_layer()},
               {"steps_done", worker.steps_done()},
               {"steps_queued", worker.steps_queued()},
               {"busy", nullptr}};
  if (worker.has_busy()) json["busy"] = worker.busy();
  return json;
}

}  // namespace

absl::StatusOr<StatusReader> StatusReader::Create(const std::string& address) {
  TERN_ASSIGN_OR_RETURN(const Address peer, ParseAddress("--coordinator", address));
  return StatusReader(peer.ToString());
}

StatusReader::StatusReader(const std::string& address)
    : address_(address), stub_(v1::Cluster::NewStub(ConnectTo(address))) {}

absl::StatusOr<v1::GetStatusResponse> StatusReader::Read() {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kTimeout);
  v1::GetStatusResponse status;
  const std::string peer = "coordinator " + address_;
  const absl::Status read = FromGrpc(stub_->GetStatus(&context, {}, &status), peer);
  if (read.ok()) return status;
  if (absl::IsDeadlineExceeded(read)) {
    return absl::UnavailableError(peer + ": no answer");
  }
  return read;
}

std::string ToText(const v1::GetStatusResponse& status) {
  std::string text = Summary(status);
  if (status.stages_size() > 0) absl::StrAppend(&text, StagesTable(status));
  if (status.workers_size() > 0) absl::StrAppend(&text, WorkersTable(status));
  return text;
}

nlohmann::ordered_json ToJson(const v1::GetStatusResponse& status) {
  Json json = {{"model", status.model()},
               {"version", status.version()},
               {"uptime_seconds", status.uptime_seconds()},
               {"epoch", status.epoch()},
               {"why_down", status.why_down()},
               {"load", LoadJson(status.load())},
               {"stages", Json::array()},
               {"workers", Json::array()}};
  for (const v1::StageStatus& stage : status.stages()) {
    json["stages"].push_back({{"worker", stage.worker()},
                              {"first_layer", stage.first_layer()},
                              {"end_layer", stage.end_layer()},
                              {"weight_bytes", stage.weight_bytes()},
                              {"kv_bytes", stage.kv_bytes()}});
  }
  for (const v1::WorkerStatus& worker : status.workers()) {
    json["workers"].push_back(WorkerJson(worker));
  }
  return json;
}

}  // namespace tern
