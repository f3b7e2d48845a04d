// SPDX-License-Identifier: MIT
// `tern perplexity`: how well a model predicts the text of a file.
#include "model/perplexity.h"

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/mapped_file.h"
#include "base/status_macros.h"
#include "base/topology.h"
#include "model/model_file.h"
#include "text/tokenizer.h"
#include "tools/commands.h"
#include "tools/progress.h"

namespace tern {
namespace {

struct PerplexityFlags {
  std::string model_path;
  std::string text_path;
  PerplexityOptions options;
  size_t threads = 0;  // 0: one for each core
  std::string kernel;
};

absl::StatusOr<std::unique_ptr<ThreadPool>> CreatePool(size_t threads) {
  TERN_ASSIGN_OR_RETURN(const Topology topology, DetectTopology());
  ThreadPoolOptions options;
  TERN_ASSIGN_OR_RETURN(options.cpus, ParseCpuset("auto", topology));
  options.threads = threads == 0 ? options.cpus.size() : threads;
  return ThreadPool::Create(options);
}

absl::StatusOr<std::unique_ptr<Transformer>> LoadModel(const ModelFile& file,
                                                       const Kernels& kernels, ThreadPool* pool) {
  ProgressBar bar("loading");
  const ModelConfig& config = file.config();
  return Transformer::Load(config, {0, config.layers}, file.tensors(), kernels, pool,
                           [&bar](float share) { bar.Update(share); });
}

absl::StatusOr<std::vector<TokenId>> ReadTokens(const std::string& path,
                                                const Tokenizer& tokenizer) {
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<MappedFile> file, MappedFile::Open(path));
  const std::span<const uint8_t> bytes = file->bytes();
  return tokenizer.Encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

absl::Status RunPerplexity(const PerplexityFlags& flags) {
  TERN_ASSIGN_OR_RETURN(const Kernels kernels, ChooseKernels(flags.kernel));
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<ModelFile> file, ModelFile::Open(flags.model_path));
  TERN_ASSIGN_OR_RETURN(const Vocabulary vocabulary, file->ReadVocabulary());
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer, Tokenizer::Create(vocabulary));
  if (!tokenizer->bos()) {
    return absl::FailedPreconditionError(
        absl::StrCat(flags.model_path, ": found no bos token, want one to begin each window"));
  }
  TERN_ASSIGN_OR_RETURN(const std::vector<TokenId> tokens, ReadTokens(flags.text_path, *tokenizer));
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<ThreadPool> pool, CreatePool(flags.threads));
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<Transformer> model,
                        LoadModel(*file, kernels, pool.get()));

  ProgressBar bar("scoring");
  const absl::Time start = absl::Now();
  TERN_ASSIGN_OR_RETURN(const Perplexity result,
                        MeasurePerplexity(*model, tokens, *tokenizer->bos(), flags.options,
                                          [&bar](float share) { bar.Update(share); }));
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  std::printf(
      "perplexity %.4f: %.5f nats a token over %zu tokens in windows of %u; %.1f tokens/s\n",
      result.perplexity, result.mean_negative_log_likelihood, tokens.size(), flags.options.window,
      static_cast<double>(tokens.size()) / seconds);
  return absl::OkStatus();
}

}  // namespace

void AddPerplexity(CLI::App& app, absl::Status& status) {
  auto flags = std::make_shared<PerplexityFlags>();
  CLI::App* command =
      app.add_subcommand("perplexity", "Measure how well a model predicts the text of a file");
  command->add_option("model", flags->model_path, "GGUF file of the model")->required();
  command->add_option("file", flags->text_path, "Text to predict")->required();
  command
      ->add_option("--window", flags->options.window,
                   "Tokens of context, bos included; the text is cut into windows of one less")
      ->capture_default_str();
  const std::map<std::string, KvType> kv_types = {{"f16", KvType::kF16}, {"f32", KvType::kF32}};
  command->add_option("--kv", flags->options.kv_type, "Precision of cached keys and values")
      ->transform(CLI::CheckedTransformer(kv_types))
      ->default_str("f16");
  command->add_option("--threads", flags->threads, "Compute threads; 0: one for each core")
      ->capture_default_str();
  command->add_option("--kernel", flags->kernel,
                      "Instruction set: portable, avx2 or avx512vnni; default: the best");
  command->callback([flags, &status] { status = RunPerplexity(*flags); });
}

}  // namespace tern
