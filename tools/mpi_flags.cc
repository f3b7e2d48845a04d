// SPDX-License-Identifier: MIT
#include "tools/mpi_flags.h"

#include "tools/kv_choice.h"

namespace tern {
namespace {

void AddPipelineFlags(CLI::App& app, MpiFlags& flags) {
  app.add_option("--replicas", flags.replicas,
                 "Pipelines beside each other; 0: as many as are fastest")
      ->capture_default_str();
  app.add_flag("--use-all", flags.use_all, "Leave no rank out that there are layers for");
  app.add_flag("--plan-only", flags.plan_only, "Print the plan and what it will do, and stop");
  app.add_option("--in-flight", flags.in_flight, "Requests that a pipeline works on at once")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  AddKvChoice(app, flags.kv);
  app.add_option("--context", flags.context,
                 "Most tokens of a prompt and its answer; 0: what the model allows")
      ->capture_default_str();
  app.add_option("--kv-tokens", flags.kv_tokens,
                 "KV cache of a pipeline, in tokens over all its requests; 0: 16384, or the "
                 "context if that is more")
      ->capture_default_str();
  app.add_option("--max-rows", flags.max_rows, "Most rows of a step")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--prefill-chunk", flags.prefill_chunk,
                 "Most prompt rows of one request in a step")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

void AddMachineFlags(CLI::App& app, MpiFlags& flags) {
  app.add_option("--threads", flags.threads, "Of each rank; 0: one for each of its processors")
      ->capture_default_str();
  app.add_option("--cpuset", flags.cpuset,
                 "auto: the ranks of a machine share what they are allowed; none: not pinned; or "
                 "as of tern worker")
      ->capture_default_str();
  app.add_option("--memory", flags.memory_bytes,
                 "For weights and KV cache of a rank, e.g. 8GB; default: its share of the machine")
      ->transform(CLI::AsSizeValue(false));
  app.add_flag("--measure", flags.measure,
               "Measure this machine again, even if the cache has its speed of this week");
  app.add_option("--kernel", flags.kernel,
                 "Force kernels: an instruction set, a packing, or both, e.g. avx2,t2r16");
  app.add_option("--start-timeout", flags.start_seconds,
                 "Seconds that ranks wait for each other at each step of the start")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--bench-hop", flags.bench_hop,
               "Measure what a step's way from rank 0 to rank 1 takes, and stop");
  app.add_option("--report", flags.report,
                 "Write what the job, or --bench-hop, measured of itself to this file, as JSON");
}

}  // namespace

void AddMpiFlags(CLI::App& app, MpiFlags& flags) {
  app.add_option("--model", flags.model, "GGUF file or Hugging Face directory, on every rank")
      ->required();
  app.add_option("--input", flags.input, "JSON lines; - is standard input")->capture_default_str();
  app.add_option("--output", flags.output,
                 "JSON lines; - is standard output. A job that was cut off goes on with "
                 "OUTPUT.journal")
      ->capture_default_str();
  app.add_flag("--overwrite,!--resume", flags.overwrite,
               "Forget an earlier run with this output instead of going on with it");
  app.add_flag("--return-token-ids", flags.token_ids, "Answers carry their tokens");
  app.add_option("--chat-template", flags.chat_template,
                 "Format of conversations; default: as the model's file says");
  AddGenerationFlags(app, flags.generation);
  AddPipelineFlags(app, flags);
  AddMachineFlags(app, flags);
}

}  // namespace tern
