// SPDX-License-Identifier: MIT
// `tern logits`: a model's logits after each token of a sequence, for comparing engines.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/scoring.h"
#include "tools/commands.h"
#include "tools/local_model.h"
#include "tools/npy.h"

namespace tern {
namespace {

struct LogitsFlags {
  LocalModelFlags model;
  std::string tokens;
  std::string file;
  std::string positions = "all";
  std::string out;
};

absl::Status RunLogits(const LogitsFlags& flags) {
  std::string text = flags.tokens;
  if (!flags.file.empty()) {
    TERN_ASSIGN_OR_RETURN(text, ReadInput(flags.file));
  }
  TERN_ASSIGN_OR_RETURN(const std::vector<TokenId> tokens, ParseTokenIds(text));
  if (tokens.empty()) {
    return absl::InvalidArgumentError("tokens: found none, want --tokens or --file");
  }
  TERN_ASSIGN_OR_RETURN(const LocalModel model, LoadLocalModel(flags.model, false));
  TERN_ASSIGN_OR_RETURN(
      SequenceScorer scorer,
      SequenceScorer::Create(*model.transformer, static_cast<uint32_t>(tokens.size()),
                             flags.model.kv_type));
  const size_t first = flags.positions == "last" ? tokens.size() - 1 : 0;
  NpyWriter out(flags.out, tokens.size() - first, model.file->config().vocab);
  TERN_RETURN_IF_ERROR(scorer.Run(
      tokens, first, [&](size_t, std::span<const float> logits) { out.Append(logits); }));
  return out.Finish();
}

}  // namespace

void AddLogits(CLI::App& app, absl::Status& status) {
  auto flags = std::make_shared<LogitsFlags>();
  CLI::App* command = app.add_subcommand("logits", "Write a model's logits to a .npy file");
  flags->model.AddTo(*command);
  auto* tokens = command->add_option("--tokens", flags->tokens, "Token ids: 1,2,3");
  command->add_option("--file", flags->file, "Take the ids from this file; - for stdin")
      ->excludes(tokens);
  command->add_option("--positions", flags->positions, "After which tokens")
      ->check(CLI::IsMember({"all", "last"}))
      ->capture_default_str();
  command->add_option("--out", flags->out, "float32, [positions, vocabulary]")->required();
  command->callback([flags, &status] { status = RunLogits(*flags); });
}

}  // namespace tern
