// SPDX-License-Identifier: MIT
// Membership's behaviour case by case is in testdata/membership/*.txt; here is what reads those.
#include "cluster/membership.h"

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/cpuset.h"
#include "cluster/manifest.h"
#include "gtest/gtest.h"
#include "tests/support/data_driven.h"
#include "tests/support/random_model.h"
#include "tests/support/worker_speed.h"

namespace tern {
namespace {

const char* const kRope = "rope";

std::string Show(const Welcome& welcome) {
  return absl::StrCat("welcome, cpus ", CpusetName(welcome.cpus));
}
std::string Show(const PrepareStage& stage) {
  return absl::StrCat("prepare epoch ", stage.epoch, ", stage ", stage.stage, " of ", stage.stages,
                      ", layers [", stage.layers.begin, ", ", stage.layers.end, "), ",
                      stage.tensors.size(), " tensors, next '", stage.next_address, "'");
}
std::string Show(const PrefetchStage& prefetch) {
  return absl::StrCat("prefetch epoch ", prefetch.stage.epoch, ", layers [",
                      prefetch.stage.layers.begin, ", ", prefetch.stage.layers.end, ")");
}
std::string Show(const ProbeLink& probe) {
  return absl::StrCat("probe ", probe.number, " to ", probe.address);
}
std::string Show(const Dismiss& dismiss) { return absl::StrCat("dismiss: ", dismiss.reason); }
std::string Show(const CommitStage& commit) { return absl::StrCat("commit epoch ", commit.epoch); }
std::string Show(const AbandonStage& abandon) {
  return absl::StrCat("abandon epoch ", abandon.epoch);
}

std::string Show(const SendToWorker& action) {
  return absl::StrCat(
      "to #", action.worker, ": ",
      std::visit([](const auto& message) { return Show(message); }, action.message));
}
std::string Show(const EndWorker& action) {
  return absl::StrCat("end #", action.worker, ": ", action.status.ToString());
}
std::string Show(const PipelinePlanned& action) {
  return absl::StrCat("planned epoch ", action.pipeline.epoch);
}
std::string Show(const PipelineUp& action) {
  std::vector<std::string> names;
  for (const PipelineStage& stage : action.pipeline.stages) names.push_back(stage.name);
  return absl::StrCat("UP epoch ", action.pipeline.epoch, ": ", absl::StrJoin(names, " -> "));
}
std::string Show(const PipelineDown& action) {
  return absl::StrCat(action.is_move ? "MOVE from epoch " : "DOWN epoch ", action.epoch, ": ",
                      action.reason.ToString());
}
std::string Show(const DrainEnded& action) {
  return absl::StrCat("drain of ", action.name, ": ", action.status.ToString());
}
std::string Show(const Note& action) { return absl::StrCat("log: ", action.text); }

std::string Show(const std::vector<MembershipAction>& actions) {
  std::string text;
  for (const MembershipAction& action : actions) {
    absl::StrAppend(&text, std::visit([](const auto& what) { return Show(what); }, action), "\n");
  }
  return text;
}

// Runs the commands of testdata/membership/*.txt (listed in testdata/membership/join.txt).
class Interpreter {
 public:
  Interpreter() : model_(SmallConfig(), 1), manifest_(*BuildManifest(SmallConfig(), model_)) {}

  std::string Run(const DataCommand& command) {
    if (command.name == "config") return Config(command);
    if (command.name == "links") return Links();
    if (command.name == "why") return absl::StrCat("'", membership_->View().why_down, "'\n");
    if (command.name == "workers") return Workers();
    std::string actions;
    if (command.name == "wait") {
      actions = Wait(command);
    } else if (command.name == "connect") {
      actions = Show(Step(WorkerConnected{Argument(command, 0)}));
    } else if (command.name == "drain") {
      actions = Show(Step(DrainWorker{command.arguments.at(0)}));
    } else if (command.name == "join") {
      const uint64_t worker = Argument(command, 0);
      actions = Show(Step(WorkerSaid{worker, HelloOf(command)}));
      if (!absl::StrContains(actions, "welcome")) return actions;  // refused
      absl::StrAppend(&actions, Show(Step(WorkerSaid{worker, Registration(command)})));
    } else {
      actions = Show(Step(EventOf(command)));
    }
    return actions.empty() ? "nothing\n" : actions;
  }

 private:
  static uint64_t Argument(const DataCommand& command, size_t index) {
    return std::stoull(command.arguments.at(index));
  }

  // The words from argument `from` on.
  static std::string Text(const DataCommand& command, size_t from) {
    return absl::StrJoin(command.arguments.begin() + static_cast<ptrdiff_t>(from),
                         command.arguments.end(), " ");
  }

  std::string Config(const DataCommand& command) {
    MembershipConfig config;
    config.workers = static_cast<uint32_t>(command.Number("workers", 2));
    config.max_workers = static_cast<uint32_t>(command.Number("max", 0));
    config.probe_links = command.named.contains("probe");
    config.version = "1.0";
    config.plan.kv_tokens = 1024;
    config.model_path = "/models/small.gguf";
    config.rope_digest = kRope;
    membership_ = std::make_unique<Membership>(config, manifest_);
    now_ = absl::UnixEpoch();
    heartbeats_.clear();
    return "ok\n";
  }

  MembershipEvent EventOf(const DataCommand& command) {
    const uint64_t first = Argument(command, 0);
    if (command.name == "gone") return WorkerGone{first, Text(command, 1)};
    if (command.name == "broken" || command.name == "unreachable") {
      return PipelineFailed{first, absl::UnavailableError(Text(command, 1)),
                            command.name == "unreachable"};
    }
    return WorkerSaid{first, MessageOf(command)};
  }

  WorkerMessage MessageOf(const DataCommand& command) {
    if (command.name == "hello") return HelloOf(command);
    if (command.name == "leaving") return Leaving{};
    if (command.name == "register") return Registration(command);
    const uint64_t epoch = Argument(command, 1);
    if (command.name == "prefetched") {
      return StagePrefetched{
          epoch,
          command.named.contains("code")
              ? absl::Status(static_cast<absl::StatusCode>(command.Number("code", 0)),
                             Text(command, 2))
              : absl::OkStatus(),
          0};
    }
    if (command.name == "probed") {
      const LinkSpeed speed{1e6 / 8 * static_cast<double>(command.Number("mbit", 1000)),
                            1e-6 * static_cast<double>(command.Number("us", 50))};
      return command.named.contains("mbit")
                 ? LinkProbed{epoch, absl::OkStatus(), speed}
                 : LinkProbed{epoch, absl::UnavailableError(Text(command, 2)), {}};
    }
    if (command.name == "progress") {
      return LoadProgress{epoch, static_cast<float>(command.Number("percent", 0)) / 100, "cache"};
    }
    if (command.name == "ready") {
      return StageReady{epoch, command.named.contains("model") ? "other" : manifest_.digest,
                        command.named.contains("rope") ? "other" : kRope, 0};
    }
    if (command.name == "committed") return StageCommitted{epoch};
    if (command.name == "failed") {
      return StageFailed{epoch,
                         absl::Status(static_cast<absl::StatusCode>(command.Number("code", 14)),
                                      Text(command, 2))};
    }
    EXPECT_EQ(command.name, "heartbeat") << "unknown command";
    const Heartbeat heartbeat{epoch, command.Number("done", 0), command.Number("queued", 0),
                              absl::ZeroDuration()};
    heartbeats_[Argument(command, 0)] = heartbeat;
    return heartbeat;
  }

  static std::string Named(const DataCommand& command, const char* key, std::string otherwise) {
    return command.named.contains(key) ? command.named.at(key) : otherwise;
  }

  // A host has one NUMA node of two cores, or four nodes and eight cores with two threads each.
  static Hello HelloOf(const DataCommand& command) {
    Hello hello{.name = command.arguments.at(1),
                .version = Named(command, "version", "1.0"),
                .protocol = static_cast<uint32_t>(command.Number("protocol", kProtocolVersion)),
                .host = Named(command, "host", absl::StrCat("box", command.arguments.at(0))),
                .hostname = "",
                .cores = {},
                .automatic = false,
                .cpus = {}};
    hello.hostname = hello.host;
    if (command.named.contains("big")) {
      for (int core = 0; core < 8; ++core) {
        hello.cores.push_back({static_cast<uint32_t>(core / 2), {2 * core, 2 * core + 1}});
      }
    } else {
      hello.cores = {{0, {0}}, {0, {1}}};
    }
    const std::string wish = Named(command, "cpus", "auto");
    hello.automatic = wish == "auto";
    if (wish == "auto" || wish == "none") return hello;
    for (const absl::string_view cpu : absl::StrSplit(wish, ',')) {
      EXPECT_TRUE(absl::SimpleAtoi(cpu, &hello.cpus.emplace_back()));
    }
    return hello;
  }

  // What each worker does.
  std::string Workers() const {
    const ClusterView view = membership_->View();
    std::string text;
    for (const WorkerView& worker : view.measuring) {
      absl::StrAppend(&text, worker.info.name, ": measuring, cpus ", worker.info.cpuset, "\n");
    }
    for (const WorkerView& worker : view.workers) {
      absl::StrAppend(&text, worker.info.name, ": layers [", worker.layers.begin, ", ",
                      worker.layers.end, ")", worker.fetching ? ", fetching" : "",
                      worker.draining ? ", draining" : "", "\n");
    }
    return text;
  }

  // The links between workers that are known.
  std::string Links() const {
    const ClusterView view = membership_->View();
    std::string text;
    for (const PairLink& link : view.links) {
      absl::StrAppend(&text, view.workers[link.from].info.name, " -> ",
                      view.workers[link.to].info.name, ": ", link.speed.bytes_per_second * 8 / 1e6,
                      " Mbit/s, ", link.speed.latency_seconds * 1e6, " us\n");
    }
    return text.empty() ? "none\n" : text;
  }

  static RegisterWorker Registration(const DataCommand& command) {
    const auto text = [&](const char* key, const char* otherwise) {
      return Named(command, key, otherwise);
    };
    return {.name = command.arguments.at(1),
            .data_address = absl::StrCat("10.0.0.", command.arguments.at(0), ":7100"),
            .version = text("version", "1.0"),
            .protocol = static_cast<uint32_t>(command.Number("protocol", kProtocolVersion)),
            .machine = "2 cores",
            .cpuset = "0-1",
            .isa = "avx2",
            .threads = 2,
            .memory_bytes = command.Number("memory", uint64_t{1} << 30),
            .speed = SpeedOf(1e9 * static_cast<double>(command.Number("speed", 10)))};
  }

  // Lets time pass, a tick each 100 ms, while the workers of `alive` repeat their last heartbeat.
  std::string Wait(const DataCommand& command) {
    std::vector<WorkerId> alive;
    if (command.named.contains("alive")) {
      for (const absl::string_view id : absl::StrSplit(command.named.at("alive"), ',')) {
        EXPECT_TRUE(absl::SimpleAtoi(id, &alive.emplace_back()));
      }
    }
    std::string text;
    const auto append = [&](uint64_t ms, const std::vector<MembershipAction>& actions) {
      if (!actions.empty()) absl::StrAppend(&text, "after ", ms, " ms:\n", Show(actions));
    };
    for (uint64_t ms = 100; ms <= Argument(command, 0); ms += 100) {
      now_ += absl::Milliseconds(100);
      for (const WorkerId id : alive) {
        if (ms % 500 == 0) append(ms, Step(WorkerSaid{id, heartbeats_[id]}));
      }
      append(ms, Step(Tick{}));
    }
    return text;
  }

  std::vector<MembershipAction> Step(const MembershipEvent& event) {
    const std::string before = Workers() + Links();
    const uint64_t changes = membership_->changes();
    const std::vector<MembershipAction> actions = membership_->Step(now_, event);
    const std::string after = Workers() + Links();
    if (after != before) {
      EXPECT_GT(membership_->changes(), changes) << before << "->\n" << after;
    }
    return actions;
  }

  const RandomModel model_;
  const ModelManifest manifest_;
  std::unique_ptr<Membership> membership_;
  absl::Time now_;
  std::map<WorkerId, Heartbeat> heartbeats_;
};

TEST(MembershipTest, BehavesAsTheTextFilesSay) {
  int files = 0;
  const std::string directory = TERN_SOURCE_DIR "/tests/cluster/testdata/membership";
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    Interpreter interpreter;
    RunDataDriven(entry.path(),
                  [&](const DataCommand& command) { return interpreter.Run(command); });
    ++files;
  }
  EXPECT_GT(files, 0);
}

}  // namespace
}  // namespace tern
