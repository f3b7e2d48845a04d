// SPDX-License-Identifier: MIT
// `tern bench`: the limits of this machine, and what models and kernels reach of them.
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/cpuset.h"
#include "base/status_macros.h"
#include "base/topology.h"
#include "bench/compare.h"
#include "bench/kernel_bench.h"
#include "bench/limits.h"
#include "bench/machine.h"
#include "bench/memory.h"
#include "bench/model_bench.h"
#include "bench/report_json.h"
#include "bench/stopwatch.h"
#include "bench/tables.h"
#include "model/model_file.h"
#include "model/synth.h"
#include "tools/commands.h"
#include "tools/kv_choice.h"
#include "tools/progress.h"
#include "tools/scratch_folder.h"

namespace tern {
namespace {

struct BenchFlags {
  std::string model;
  std::string shape;
  BenchLists lists;
  std::vector<size_t> threads;  // empty: one for each core
  uint32_t repeat = 5;
  ModelBenchOptions options;
  std::string kernel;
  bool cold = false;
  std::string cpuset = "auto";

  bool only_limits = false;
  bool list = false;
  bool kernels = false;
  std::string matrices = "bitnet-2b-4t";
  KernelBenchOptions kernel_options;

  std::string json;
  std::vector<std::string> compare;
};

// Long enough to find a quiet moment, short enough for `--limits` to stay a quick look.
constexpr absl::Duration kLimitsBudget = absl::Milliseconds(500);
constexpr uint32_t kMostTokens = 1 << 24;  // of a prompt, generated, or before either
constexpr uint32_t kMostAtOnce = 4096;     // threads, sequences, rows of a chunk

// A synthetic model in a folder of its own, removed with the object.
class TemporaryModel {
 public:
  static absl::StatusOr<std::unique_ptr<TemporaryModel>> Write(const std::string& shape) {
    TERN_ASSIGN_OR_RETURN(const ModelConfig config, SyntheticShape(shape));
    TERN_ASSIGN_OR_RETURN(ScratchFolder folder, ScratchFolder::Make());
    std::unique_ptr<TemporaryModel> model(new TemporaryModel(std::move(folder)));
    ProgressBar bar("writing a model");
    TERN_RETURN_IF_ERROR(WriteSyntheticModel(config, model->path(), /*seed=*/1,
                                             [&bar](double share) { bar.Update(share); }));
    return model;
  }

  std::string path() const { return absl::StrCat(folder_.path(), "/model.gguf"); }

 private:
  explicit TemporaryModel(ScratchFolder folder) : folder_(std::move(folder)) {}
  const ScratchFolder folder_;
};

// A source whose tensors are packed anew, as if they had never been seen.
class UnknownTensors final : public TensorSource {
 public:
  explicit UnknownTensors(const TensorSource& source) : source_(source) {}
  absl::StatusOr<TensorView> Find(absl::string_view name) const override {
    return source_.Find(name);
  }

 private:
  const TensorSource& source_;
};

BenchedModel Describe(const ModelConfig& config, const StageCost& cost, KvType kv_type) {
  return {.name = config.name,
          .architecture = config.architecture,
          .layers = config.layers,
          .dim = config.dim,
          .ffn_dim = config.ffn_dim,
          .vocab = config.vocab,
          .ternary_weights = cost.weights,
          .weight_bytes = cost.weight_bytes,
          .head_bytes = cost.head_bytes,
          .kernels = cost.kernels,
          .head = cost.head,
          .kv_type = KvTypeName(kv_type)};
}

// One run of the command.
class BenchRun {
 public:
  explicit BenchRun(const BenchFlags& flags) : flags_(flags) {}

  absl::Status Run();

 private:
  absl::Status RunWithThreads(size_t threads);
  absl::Status RunModel(ThreadPool& pool, LimitsMeter& limits);
  void Print() const;

  const BenchFlags& flags_;
  Topology topology_;
  Kernels kernels_ = {};
  std::vector<int> cpus_;
  std::string model_path_;
  Report report_;
};

absl::Status BenchRun::Run() {
  TERN_ASSIGN_OR_RETURN(topology_, DetectTopology());
  TERN_ASSIGN_OR_RETURN(cpus_, ParseCpuset(flags_.cpuset, topology_));
  TERN_ASSIGN_OR_RETURN(kernels_, ChooseKernels(flags_.kernel));
  kernels_.may_cache = true;
  kernels_.l2_bytes = topology_.l2_bytes;
  report_.machine = DescribeMachine(topology_, kernels_);
  std::unique_ptr<TemporaryModel> temporary;
  model_path_ = flags_.model;
  if (!flags_.shape.empty()) {
    TERN_ASSIGN_OR_RETURN(temporary, TemporaryModel::Write(flags_.shape));
    model_path_ = temporary->path();
  }
  std::vector<size_t> counts = flags_.threads;
  if (counts.empty()) counts = {cpus_.empty() ? topology_.cores.size() : cpus_.size()};
  for (const size_t threads : counts) TERN_RETURN_IF_ERROR(RunWithThreads(threads));
  Print();
  return flags_.json.empty() ? absl::OkStatus() : WriteReport(report_, flags_.json);
}

absl::Status BenchRun::RunWithThreads(size_t threads) {
  ThreadPoolOptions options;
  options.threads = threads;
  options.cpus = cpus_;
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<ThreadPool> pool, ThreadPool::Create(options));
  LimitsMeter limits(topology_, pool.get());
  limits.Measure(kLimitsBudget);
  if (!model_path_.empty()) TERN_RETURN_IF_ERROR(RunModel(*pool, limits));
  report_.limits.push_back(limits.result());
  if (!flags_.kernels) return absl::OkStatus();
  KernelBenchOptions kernel_options = flags_.kernel_options;
  TERN_ASSIGN_OR_RETURN(kernel_options.shapes, MatricesOf(flags_.matrices));
  ProgressBar bar(absl::StrCat("kernels, threads ", threads));
  for (KernelResult& result : BenchKernels(kernel_options, topology_, limits.result(), *pool,
                                           [&bar](double share) { bar.Update(share); })) {
    report_.kernels.push_back(std::move(result));
  }
  return absl::OkStatus();
}

absl::Status BenchRun::RunModel(ThreadPool& pool, LimitsMeter& limits) {
  const std::vector<BenchTest> tests = TestsOf(flags_.lists);
  if (tests.empty()) return absl::InvalidArgumentError("tests: found none, want --pp or --tg");
  ResetPeakResidentBytes();
  const Stopwatch load;
  std::unique_ptr<Transformer> transformer;
  {
    TERN_ASSIGN_OR_RETURN(const std::unique_ptr<ModelFile> file, ModelFile::Open(model_path_));
    ModelConfig config = file->config();
    if (!config.has_head) {
      return absl::InvalidArgumentError(
          absl::StrCat(model_path_, ": found a model without a head, want one that generates"));
    }
    // Past its training a model writes nonsense, but no slower.
    config.context = std::max(config.context, ContextFor(tests));
    const UnknownTensors unknown(file->tensors());
    const bool cold = flags_.cold || !flags_.shape.empty();  // nobody will load that again
    TERN_ASSIGN_OR_RETURN(
        transformer, Transformer::Load(config, {0, config.layers}, cold ? unknown : file->tensors(),
                                       kernels_, &pool));
  }
  LoadResult loaded = {.threads = pool.size(), .seconds = load.Seconds()};
  report_.model = Describe(transformer->config(), transformer->Cost(), flags_.options.kv_type);

  ProgressBar bar(absl::StrCat(report_.model->name, ", threads ", pool.size()));
  size_t done = 0;
  const auto progress = [&] {
    bar.Update(static_cast<double>(++done) / static_cast<double>(tests.size() * flags_.repeat));
  };
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<ModelBench> bench,
                        ModelBench::Create(transformer.get(), &pool, tests, flags_.options));
  for (uint32_t round = 0; round < flags_.repeat; ++round) {
    TERN_RETURN_IF_ERROR(bench->RunRound(progress));
    if (round == 0) loaded.peak_rss_bytes = PeakResidentBytes();
    limits.Measure(kLimitsBudget / 2);
  }
  loaded.kv_bytes = bench->kv_bytes();
  report_.loads.push_back(loaded);
  for (TestResult& result : bench->Results(limits.result())) {
    report_.results.push_back(std::move(result));
  }
  return absl::OkStatus();
}

void BenchRun::Print() const {
  std::string text =
      absl::StrCat(FormatMachine(report_.machine), "\n", FormatLimits(report_.limits));
  if (report_.model) {
    absl::StrAppend(&text, "\n", FormatModel(*report_.model), "\n", FormatLoads(report_.loads),
                    "\n", FormatTests(report_.results));
  }
  if (!report_.kernels.empty()) absl::StrAppend(&text, "\n", FormatKernels(report_.kernels));
  std::fputs(text.c_str(), stdout);
}

absl::Status Bench(const BenchFlags& flags) {
  if (flags.list) {
    std::fputs(ListKernels().c_str(), stdout);
    return absl::OkStatus();
  }
  if (!flags.compare.empty()) {
    TERN_ASSIGN_OR_RETURN(const Report first, ReadReport(flags.compare[0]));
    TERN_ASSIGN_OR_RETURN(const Report second, ReadReport(flags.compare[1]));
    std::fputs(Compare(first, second).c_str(), stdout);
    return absl::OkStatus();
  }
  if (flags.model.empty() && flags.shape.empty() && !flags.only_limits && !flags.kernels) {
    return absl::InvalidArgumentError(
        "bench: found nothing to do, want MODEL, --shape, --limits, --kernels, --list or "
        "--compare");
  }
  return BenchRun(flags).Run();
}

void AddModelOptions(CLI::App& command, BenchFlags& flags) {
  command.add_option("model", flags.model, "GGUF file or Hugging Face directory");
  command.add_option("--shape", flags.shape, "A synthetic model instead, as tern synth makes them")
      ->excludes("model");
  const CLI::Range tokens(0u, kMostTokens), at_once(1u, kMostAtOnce);
  command.add_option("--threads", flags.threads, "Numbers of threads; default: the cores")
      ->delimiter(',')
      ->check(at_once);
  command.add_option("--pp", flags.lists.prompts, "Lengths of prompts; 0: none")
      ->delimiter(',')
      ->check(tokens)
      ->capture_default_str();
  command.add_option("--tg", flags.lists.generates, "Tokens to generate; 0: none")
      ->delimiter(',')
      ->check(tokens)
      ->capture_default_str();
  command
      .add_option("--depth", flags.lists.depths,
                  "Tokens that came before; other batches than the first run at the first depth")
      ->delimiter(',')
      ->check(tokens)
      ->capture_default_str();
  command.add_option("--batch", flags.lists.batches, "Sequences that generate at once")
      ->delimiter(',')
      ->check(at_once)
      ->capture_default_str();
  command.add_option("--repeat", flags.repeat, "Runs of each test, in turns")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--chunk", flags.options.chunk, "Rows of a prompt computed at once")
      ->check(at_once)
      ->capture_default_str();
  AddKvChoice(command, flags.options.kv_type);
  command.add_option("--kernel", flags.kernel,
                     "Instruction set and packing, as avx2 or avx2,t2r16; default: measured");
  command.add_flag("--cold", flags.cold, "Pack the weights, even if the cache has them packed");
  command
      .add_option("--cpuset", flags.cpuset, "auto, numa:N, part:K/N, none, or a list such as 0-3,6")
      ->capture_default_str();
}

void AddOtherOptions(CLI::App& command, BenchFlags& flags) {
  command.add_flag("--limits", flags.only_limits, "Measure the limits of this machine alone");
  command.add_flag("--list", flags.list, "List the kernels and whether this CPU runs them");
  command.add_flag("--kernels", flags.kernels, "Measure each kernel by itself");
  command.add_option("--matrices", flags.matrices, "Of which model --kernels multiplies, or all")
      ->capture_default_str();
  command.add_option("--filter", flags.kernel_options.filter, "Only kernels with this in the name");
  command.add_option("--tokens", flags.kernel_options.tokens, "Of --kernels")
      ->delimiter(',')
      ->check(CLI::Range(1u, kMostAtOnce))
      ->capture_default_str();
  command.add_option("--json", flags.json, "Write the results to this file, too");
  command.add_option("--compare", flags.compare, "Compare two such files")->expected(2);
}

}  // namespace

void AddBench(CLI::App& app, absl::Status& status) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* command =
      app.add_subcommand("bench", "Measure this machine, and models and kernels against it");
  AddModelOptions(*command, *flags);
  AddOtherOptions(*command, *flags);
  AddBenchCluster(*command, status);
  AddBenchMpi(*command, status);
  command->callback([flags, command, &status] {
    if (!command->get_subcommands().empty()) return;
    std::erase(flags->lists.prompts, 0u);
    std::erase(flags->lists.generates, 0u);
    status = Bench(*flags);
  });
}

}  // namespace tern
