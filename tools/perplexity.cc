// SPDX-License-Identifier: MIT
// `tern perplexity`: how well a model predicts the text of a file.
#include "model/perplexity.h"

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "text/chat_template.h"
#include "tools/commands.h"
#include "tools/local_model.h"
#include "tools/progress.h"

namespace tern {
namespace {

struct PerplexityFlags {
  LocalModelFlags model;
  std::string text_path;
  PerplexityOptions options;
};

absl::Status RunPerplexity(PerplexityFlags flags) {
  flags.options.kv_type = flags.model.kv_type;
  TERN_ASSIGN_OR_RETURN(const LocalModel model, LoadLocalModel(flags.model, true));
  TERN_ASSIGN_OR_RETURN(const std::string text, ReadInput(flags.text_path));
  const Tokenizer& tokenizer = *model.tokenizer;
  std::optional<TokenId> bos;
  if (tokenizer.add_bos()) bos = tokenizer.bos();
  std::vector<TokenId> tokens = tokenizer.Encode(text);
  if (bos && !flags.options.every_token) tokens.insert(tokens.begin(), *bos);

  ProgressBar bar("scoring");
  const absl::Time start = absl::Now();
  TERN_ASSIGN_OR_RETURN(const Perplexity result,
                        MeasurePerplexity(*model.transformer, tokens, bos, flags.options,
                                          [&bar](float share) { bar.Update(share); }));
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  std::printf(
      "perplexity %.4f +- %.4f: %.5f nats a token over %zu of %zu tokens, context %u; %.1f "
      "tokens/s\n",
      result.perplexity, result.error, result.mean_negative_log_likelihood,
      static_cast<size_t>(result.tokens), tokens.size(), flags.options.context,
      static_cast<double>(tokens.size()) / seconds);
  return absl::OkStatus();
}

}  // namespace

void AddPerplexity(CLI::App& app, absl::Status& status) {
  auto flags = std::make_shared<PerplexityFlags>();
  CLI::App* command =
      app.add_subcommand("perplexity", "Measure how well a model predicts the text of a file");
  flags->model.AddTo(*command);
  command->add_option("file", flags->text_path, "Text to predict; - for stdin")->required();
  command
      ->add_option("--ctx", flags->options.context,
                   "Tokens of a sequence; the second half of each counts, as in llama-perplexity")
      ->capture_default_str();
  command
      ->add_option("--stride", flags->options.stride,
                   "Begin sequences so many tokens apart and count their last so many")
      ->capture_default_str();
  command->add_flag("--every-token", flags->options.every_token,
                    "Count every token, in sequences that begin with bos");
  command->callback([flags, &status] { status = RunPerplexity(*flags); });
}

}  // namespace tern
