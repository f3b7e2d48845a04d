// SPDX-License-Identifier: MIT
// `tern worker`: computes stages for a coordinator.
#include <memory>

#include "base/status_macros.h"
#include "tools/commands.h"
#include "tools/log_flag.h"
#include "tools/stop_signals.h"
#include "worker/daemon.h"

namespace tern {
namespace {

absl::Status Work(WorkerOptions options) {
  options.confine_threads = true;
  StopSignals signals;
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<WorkerDaemon> daemon, WorkerDaemon::Create(options));
  signals.OnStop([&] { daemon->Stop(); });
  return daemon->Run();
}

}  // namespace

void AddWorker(CLI::App& app, absl::Status& status) {
  auto options = std::make_shared<WorkerOptions>();
  CLI::App* command = app.add_subcommand("worker", "Compute for a coordinator");
  command->add_option("--coordinator", options->coordinator, "HOST:PORT of `tern serve`")
      ->required();
  command->add_option("--listen", options->listen, "HOST:PORT for frames; port 0 takes any")
      ->capture_default_str();
  command->add_option("--advertise", options->advertise,
                      "HOST:PORT by which other workers reach --listen, if that differs");
  command->add_option("--name", options->name, "Unique in the cluster; default: host:pid");
  command
      ->add_option(
          "--cpuset", options->cpuset,
          "auto (a NUMA node that no other worker is on), numa:N, part:K/N, none, or a list "
          "such as 0-3,6")
      ->capture_default_str();
  command->add_option("--host", options->host,
                      "Names this machine: its workers share its processors; default: its boot id");
  command->add_option("--threads", options->threads, "0: one for each processor of the cpuset")
      ->capture_default_str();
  command
      ->add_option("--memory", options->memory_bytes,
                   "For weights and KV cache, e.g. 8GB; default: the share of the cores taken")
      ->transform(CLI::AsSizeValue(false));
  command->add_option("--model", options->model_path,
                      "A local copy of the model: saves fetching what matches");
  command->add_option("--cache-dir", options->cache_directory,
                      "Where fetched weights are kept; default: ${XDG_CACHE_HOME:-~/.cache}/tern");
  command
      ->add_option("--cache-limit", options->cache_limit_bytes,
                   "Most bytes of fetched weights to keep there, e.g. 50GiB: what was not used for "
                   "longest goes first, what is in use never")
      ->transform(CLI::AsSizeValue(false))
      ->default_str("50GiB");
  command->add_option("--kernel", options->kernel,
                      "Force kernels: an instruction set, a packing, or both, e.g. avx2,t2r16");
  command->add_flag("--measure", options->measure,
                    "Measure this machine again, even if the cache has its speed of this week");
  command->add_option("--metrics", options->metrics,
                      "HOST:PORT where Prometheus may read, at /metrics; default: nowhere");
  AddLogFlag(*command);
  command->add_flag("--insecure", options->insecure,
                    "Allow addresses off loopback, without encryption or authentication");
  command->callback([options, &status] { status = Work(*options); });
}

}  // namespace tern
