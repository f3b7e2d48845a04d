// SPDX-License-Identifier: MIT
// `tern-mpi`: a file of prompts in, a file of answers out, on the ranks of an MPI job. Every rank
// goes through the same steps (docs/batch.md); between them they exchange what they found, so that
// an error of one ends all, with one message.
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/cache_directory.h"
#include "base/cpuset.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/topology.h"
#include "base/version.h"
#include "bench/text_file.h"
#include "cluster/mpi_world.h"
#include "model/content_id.h"
#include "model/kv_cache.h"
#include "tools/local_model.h"
#include "tools/mpi_bench.h"
#include "tools/mpi_exchange.h"
#include "tools/mpi_flags.h"
#include "tools/mpi_job.h"
#include "tools/mpi_links.h"
#include "tools/mpi_node.h"
#include "tools/mpi_ranks.h"
#include "tools/mpi_report.h"
#include "tools/mpi_speed.h"
#include "worker/known_speed.h"

namespace tern {
namespace {

constexpr uint64_t kDefaultKvTokens = 16384;

// What a rank has before it knows the others.
struct Opened {
  std::unique_ptr<ModelFile> file;
  std::unique_ptr<Tokenizer> tokenizer;  // on rank 0
  Topology topology;
  RankInfo info;
};

// What it has once it knows them.
struct Machine {
  Kernels kernels;
  std::unique_ptr<ThreadPool> pool;
  ClusterProfile cluster;  // of all ranks
};

absl::StatusOr<Opened> Open(const MpiFlags& flags, int rank) {
  Opened opened;
  const ModelFileOptions options{.context = flags.context};
  if (rank == 0) {
    TERN_ASSIGN_OR_RETURN(OpenedModel model,
                          OpenModel(flags.model, /*needs_tokenizer=*/true, options));
    opened.file = std::move(model.file);
    opened.tokenizer = std::move(model.tokenizer);
  } else {
    TERN_ASSIGN_OR_RETURN(opened.file, ModelFile::Open(flags.model, options));
  }
  TERN_ASSIGN_OR_RETURN(opened.topology, DetectTopology());
  opened.info = DescribeRank(opened.topology);
  opened.info.model = ContentId(flags.model, DefaultCacheDirectory());
  opened.info.rope = RopeDigest(opened.file->config());
  return opened;
}

absl::StatusOr<std::vector<int>> TakeCpus(const MpiFlags& flags, const Topology& topology,
                                          const CpuShare& share) {
  if (flags.cpuset != "auto") return ParseCpuset(flags.cpuset, topology);
  return ParseCpuset(absl::StrCat("part:", share.part + 1, "/", share.parts), topology);
}

void WarnOfBinding(const Opened& opened, const std::vector<RankInfo>& ranks, size_t rank) {
  size_t here = 0;
  for (const RankInfo& other : ranks) here += other.machine == ranks[rank].machine ? 1 : 0;
  const std::string warning = BindingWarning(opened.topology.Cpus().size(), LauncherCpus(), here);
  if (!warning.empty()) LogWarning("rank ", rank, ": ", warning);
}

// Takes processors and threads, and measures them.
absl::StatusOr<WorkerProfile> Prepare(const MpiFlags& flags, const Opened& opened,
                                      const std::vector<RankInfo>& ranks, size_t rank,
                                      Machine& machine) {
  const CpuShare share = ShareOf(ranks, rank);
  TERN_ASSIGN_OR_RETURN(const std::vector<int> cpus, TakeCpus(flags, opened.topology, share));
  const int node = opened.topology.NodeOf(cpus);
  if (node >= 0) {
    const absl::Status preferred = PreferMemoryOf(node);
    if (!preferred.ok()) LogWarning("rank ", rank, ": ", preferred.message());
  }
  const size_t processors = cpus.empty() ? opened.topology.cores.size() / share.parts : cpus.size();
  const size_t threads = flags.threads == 0 ? std::max<size_t>(1, processors) : flags.threads;
  TERN_ASSIGN_OR_RETURN(machine.kernels, ChooseKernels(flags.kernel));
  machine.kernels.may_cache = true;
  TERN_ASSIGN_OR_RETURN(machine.pool, ThreadPool::Create({.threads = threads, .cpus = cpus}));
  WorkerProfile profile;
  profile.name = absl::StrCat("rank ", rank);
  profile.memory_bytes = flags.memory_bytes;
  if (profile.memory_bytes == 0) {
    // Without processors of its own, a rank has an equal share.
    const uint64_t memory = opened.topology.MemoryBeside(cpus);
    profile.memory_bytes = cpus.empty() ? memory / share.parts : memory;
  }
  const bool worth_it = ranks.size() > 1 && IsWorthMeasuring(opened.file->config());
  profile.speed = NominalSpeed(threads);
  if (worth_it) {
    const KnownSpeed known(DefaultCacheDirectory(), opened.topology, cpus, machine.kernels,
                           threads);
    TERN_ASSIGN_OR_RETURN(const SpeedOrigin speed,
                          FindOrMeasureSpeed(known, flags.measure, machine.kernels, *machine.pool));
    profile.speed = speed.speed;
  }
  profile.link = FastLink();
  return profile;
}

absl::StatusOr<MpiPlan> Plan(const MpiFlags& flags, const ModelConfig& config,
                             const ClusterProfile& cluster, PlanReport& report) {
  MpiPlanOptions options;
  options.plan.kv_type = flags.kv;
  options.plan.kv_tokens = flags.kv_tokens == 0
                               ? std::max<uint64_t>(config.context, kDefaultKvTokens)
                               : KvTokensFor(flags.kv_tokens, config.context);
  options.plan.use_all = flags.use_all;
  options.plan.streams = flags.in_flight;
  options.plan.cached_tokens = std::min(options.plan.cached_tokens, config.context / 2);
  options.replicas = flags.replicas;
  report.model = flags.model;
  report.context = config.context;
  return MakeMpiPlan(config, cluster, options, report);
}

BatchSettings SettingsOf(const MpiFlags& flags, const std::string& model_digest, uint32_t context,
                         const absl::StatusOr<ChatFormat>& format) {
  BatchSettings settings;
  settings.model = model_digest;
  settings.build = kVersion;
  settings.kv_type = KvTypeName(flags.kv);
  settings.context = context;
  settings.chat_format = format.ok() ? ChatFormatName(*format) : "";
  settings.sampling = flags.generation.sampling;
  settings.sampling.seed = flags.generation.seed.value_or(0);
  settings.max_tokens = flags.generation.max_tokens;
  settings.stop = flags.generation.stop;
  settings.ignore_eos = flags.generation.ignore_eos;
  settings.token_ids = flags.token_ids;
  return settings;
}

// What a rank takes to an exchange.
absl::StatusOr<std::string> Bring(const absl::Status& status, std::string text) {
  if (!status.ok()) return status;
  return text;
}

// One rank's way through the job.
class Rank {
 public:
  Rank(const MpiFlags& flags, MpiWorld* world)
      : flags_(flags),
        world_(*world),
        rank_(static_cast<size_t>(world->rank())),
        limit_(absl::Seconds(flags.start_seconds)) {}

  absl::Status Run() {
    TERN_RETURN_IF_ERROR(Meet());
    if (flags_.bench_hop) return MeasureHop();
    TERN_RETURN_IF_ERROR(MeasureAll());
    TERN_RETURN_IF_ERROR(PlanTogether());
    if (flags_.plan_only) return absl::OkStatus();
    TERN_RETURN_IF_ERROR(Load());
    return Work();
  }

 private:
  absl::Status MeasureHop() {
    TERN_ASSIGN_OR_RETURN(const HopTimes hop, BenchHop(world_));
    if (rank_ != 0) return absl::OkStatus();
    std::printf("hop of one row of %u: median %.1f us, p99 %.1f us, of %u round trips\n", hop.dim,
                hop.median_us, hop.p99_us, hop.round_trips);
    MpiReport report;
    report.hop = hop;
    return WriteReport(report);
  }

  // Rank 0 opens the files, so that a wrong name ends the job before anything is loaded.
  absl::Status Meet() {
    absl::StatusOr<Opened> opened = Open(flags_, world_.rank());
    absl::Status status = opened.status();
    if (status.ok() && rank_ == 0 && !flags_.plan_only && !flags_.bench_hop) {
      status = OpenFiles(*opened);
    }
    if (opened.ok()) {
      opened->file->ForgetVocabulary();
      malloc_trim(0);  // what it and making the tokenizer took lies among what stays
    }
    const std::string mine = status.ok() ? Encode(opened->info) : "";
    TERN_ASSIGN_OR_RETURN(const std::vector<std::string> texts,
                          Exchange(world_, Bring(status, mine), limit_));
    TERN_ASSIGN_OR_RETURN(ranks_, DecodeRanks(texts));
    opened_ = *std::move(opened);
    return CheckAlike(ranks_);
  }

  absl::Status OpenFiles(const Opened& opened) {
    TERN_RETURN_IF_ERROR(Validate(flags_.generation.sampling));
    if (flags_.chat_template.empty()) {
      TERN_ASSIGN_OR_RETURN(const Vocabulary vocabulary, opened.file->ReadVocabulary());
      format_ = DetectChatFormat(vocabulary);
    } else {
      TERN_ASSIGN_OR_RETURN(format_, ParseChatFormat(flags_.chat_template));
    }
    settings_ = SettingsOf(flags_, opened.info.model, opened.file->config().context, format_);
    TERN_ASSIGN_OR_RETURN(files_, BatchFiles::Open(flags_, settings_));
    return absl::OkStatus();
  }

  absl::Status MeasureAll() {
    WarnOfBinding(opened_, ranks_, rank_);
    const absl::StatusOr<WorkerProfile> me = Prepare(flags_, opened_, ranks_, rank_, machine_);
    const std::string mine = me.ok() ? Encode(*me) : "";
    TERN_ASSIGN_OR_RETURN(const std::vector<std::string> texts,
                          Exchange(world_, Bring(me.status(), mine), limit_));
    const std::vector<size_t> hosts = HostNumbers(ranks_);
    for (size_t rank = 0; rank < texts.size(); ++rank) {
      TERN_ASSIGN_OR_RETURN(WorkerProfile profile, DecodeProfile(texts[rank]));
      profile.host = hosts[rank];
      for (WorkerProfile& other : machine_.cluster.workers) {
        // Memory goes by threads.
        const bool alike = other.host == profile.host && other.memory_bytes == profile.memory_bytes;
        if (alike) EvenOut(profile.speed, other.speed);
      }
      machine_.cluster.workers.push_back(std::move(profile));
    }
    if (ranks_.size() == 1) return absl::OkStatus();
    return MeasureLinks(world_, hosts, machine_.cluster);
  }

  // Rank 0 decides: two machines may round differently.
  absl::Status PlanTogether() {
    absl::Status status;
    std::string mine;
    if (rank_ == 0) {
      PlanReport report;
      const absl::StatusOr<MpiPlan> plan =
          Plan(flags_, opened_.file->config(), machine_.cluster, report);
      status = plan.status();
      if (plan.ok()) {
        mine = Encode(*plan);
        Announce(*plan, report);
      }
    }
    TERN_ASSIGN_OR_RETURN(const std::vector<std::string> texts,
                          Exchange(world_, Bring(status, mine), limit_));
    TERN_ASSIGN_OR_RETURN(plan_,
                          DecodePlan(texts[0], ranks_.size(), opened_.file->config().layers));
    return absl::OkStatus();
  }

  void Announce(const MpiPlan& plan, const PlanReport& report) {
    if (flags_.plan_only) std::fputs(ToText(report).c_str(), stdout);
    const size_t stages = plan.replicas.front().stages.size();
    LogInfo(ranks_.size(), ranks_.size() == 1 ? " rank: " : " ranks: ", plan.replicas.size(),
            plan.replicas.size() == 1 ? " pipeline of " : " pipelines of ", stages,
            stages == 1 ? " stage" : " stages");
    const std::string idle = IdleText(plan, ranks_.size());
    if (!idle.empty()) LogInfo(idle);
  }

  absl::Status Load() {
    MpiNodeOptions options;
    options.world = &world_;
    options.file = opened_.file.get();
    options.tokenizer = opened_.tokenizer.get();
    options.kernels = machine_.kernels;
    options.pool = machine_.pool.get();
    options.kv_type = flags_.kv;
    options.prefill_chunk = flags_.prefill_chunk;
    options.max_rows = flags_.max_rows;
    options.max_queue = flags_.in_flight;
    absl::StatusOr<std::unique_ptr<MpiNode>> node = MpiNode::Create(plan_, options);
    if (node.ok()) node_ = *std::move(node);
    return Exchange(world_, Bring(node.status(), "ready"), limit_).status();
  }

  // The others wait while rank 0 works. Steps may be on their way when it fails, so there is no
  // leaving in order then.
  absl::Status Work() {
    if (rank_ == 0) {
      const absl::Status status = RunBatch();
      if (!status.ok()) {
        std::fprintf(stderr, "tern-mpi: %s\n", status.ToString().c_str());
        world_.Abort();
      }
    }
    TERN_ASSIGN_OR_RETURN(const std::vector<std::string> texts,
                          Exchange(world_, Encode(node_->Memory()), absl::InfiniteDuration()));
    node_.reset();
    return rank_ == 0 ? Report(texts) : absl::OkStatus();
  }

  absl::Status Report(const std::vector<std::string>& memories) {
    MpiReport report;
    report.tokens = done_.tokens;
    if (done_.tokens > 0) {
      report.first_to_last = absl::ToDoubleSeconds(done_.last_token - done_.first_token);
    }
    for (const std::string& text : memories) {
      TERN_ASSIGN_OR_RETURN(const RankMemory memory, DecodeRankMemory(text));
      report.ranks.push_back(memory);
    }
    return WriteReport(report);
  }

  absl::Status WriteReport(const MpiReport& report) {
    if (flags_.report.empty()) return absl::OkStatus();
    return WriteTextFile(flags_.report, Encode(report));
  }

  absl::Status RunBatch() {
    JobOptions options;
    options.settings = settings_;
    options.chat_format = format_;
    options.tokenizer = opened_.tokenizer.get();
    options.in_flight = flags_.in_flight;
    TERN_ASSIGN_OR_RETURN(options.engines, node_->StartEngines());
    TERN_ASSIGN_OR_RETURN(done_, files_->Run(std::move(options)));
    node_->WaitIdle();
    return absl::OkStatus();
  }

  const MpiFlags& flags_;
  MpiWorld& world_;
  const size_t rank_;
  const absl::Duration limit_;

  Opened opened_;
  std::vector<RankInfo> ranks_;
  Machine machine_;
  MpiPlan plan_;
  std::unique_ptr<MpiNode> node_;

  // Of rank 0.
  absl::StatusOr<ChatFormat> format_ = absl::NotFoundError("no chat format");
  BatchSettings settings_;
  std::unique_ptr<BatchFiles> files_;
  JobProgress done_;
};

// What to do with a wrong command line, or with --help, before MPI is there. Only the first rank
// gives help, but each says what is wrong: the launcher may end it before it is the first's turn.
int Explain(const CLI::App& app, const CLI::ParseError& error) {
  const std::string rank = RankByLauncher();
  if (rank.empty() || rank == "0") return app.exit(error);
  if (error.get_exit_code() != 0) {
    std::fprintf(stderr, "tern-mpi: rank %s: %s\n", rank.c_str(), error.what());
  }
  return error.get_exit_code();
}

int Main(int argc, char** argv) {
  CLI::App app("Batches of prompts on the ranks of an MPI job: mpirun -n N tern-mpi ...");
  app.set_version_flag("--version", std::string("tern-mpi ") + kVersion);
  MpiFlags flags;
  AddMpiFlags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return Explain(app, error);
  }
  absl::StatusOr<std::unique_ptr<MpiWorld>> world =
      MpiWorld::Start(absl::Seconds(flags.start_seconds));
  absl::Status status = world.status();
  if (status.ok()) status = Rank(flags, world->get()).Run();
  if (status.ok()) return 0;
  // Every rank has the same error by now.
  if (!world.ok() || (*world)->rank() == 0) {
    std::fprintf(stderr, "tern-mpi: %s\n", status.ToString().c_str());
  }
  return 1;
}

}  // namespace
}  // namespace tern

int main(int argc, char** argv) {
  // Whoever does not read on is an error like others: it ends all ranks, and with a word.
  std::signal(SIGPIPE, SIG_IGN);
  return tern::Main(argc, argv);
}
