// SPDX-License-Identifier: MIT
// `tern score`: log-likelihoods of continuations, one JSON object a line.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "formats/json_text.h"
#include "model/scoring.h"
#include "text/chat_template.h"
#include "tools/commands.h"
#include "tools/local_model.h"

namespace tern {
namespace {

struct ScoreFlags {
  LocalModelFlags model;
  std::string context;
  std::vector<std::string> continuations;
  std::string file;
};

struct Task {
  std::string context, continuation;
};

absl::StatusOr<std::vector<Task>> ReadTasks(const ScoreFlags& flags) {
  std::vector<Task> tasks;
  for (const std::string& text : flags.continuations) tasks.push_back({flags.context, text});
  if (flags.file.empty()) return tasks;
  TERN_ASSIGN_OR_RETURN(const std::string lines, ReadInput(flags.file));
  size_t number = 0;
  for (const absl::string_view line : absl::StrSplit(lines, '\n')) {
    ++number;
    if (line.empty()) continue;
    const std::string where = absl::StrCat(flags.file, ": line ", number);
    TERN_ASSIGN_OR_RETURN(const nlohmann::json json, ParseJsonObject(line, where));
    for (const char* key : {"context", "continuation"}) {
      if (json.contains(key) && json[key].is_string()) continue;
      return absl::InvalidArgumentError(absl::StrCat(where, ": want a string \"", key, "\""));
    }
    tasks.push_back({json["context"].get<std::string>(), json["continuation"].get<std::string>()});
  }
  return tasks;
}

// Tokens of the whole, of which those after the context's are scored.
std::pair<std::vector<TokenId>, size_t> Tokens(const Tokenizer& tokenizer, const Task& task) {
  std::vector<TokenId> context = tokenizer.Encode(task.context);
  std::vector<TokenId> whole = tokenizer.Encode(task.context + task.continuation);
  size_t first = std::min(context.size(), whole.size());
  if (tokenizer.add_bos()) {
    whole.insert(whole.begin(), *tokenizer.bos());
    ++first;
  }
  return {std::move(whole), first};
}

absl::Status RunScore(const ScoreFlags& flags) {
  TERN_ASSIGN_OR_RETURN(const std::vector<Task> tasks, ReadTasks(flags));
  if (tasks.empty()) {
    return absl::InvalidArgumentError("continuations: found none, want one or --file");
  }
  TERN_ASSIGN_OR_RETURN(const LocalModel model, LoadLocalModel(flags.model, true));
  std::vector<std::pair<std::vector<TokenId>, size_t>> sequences;
  size_t longest = 1;
  for (const Task& task : tasks) {
    sequences.push_back(Tokens(*model.tokenizer, task));
    longest = std::max(longest, sequences.back().first.size());
  }
  TERN_ASSIGN_OR_RETURN(SequenceScorer scorer,
                        SequenceScorer::Create(*model.transformer, static_cast<uint32_t>(longest),
                                               flags.model.kv_type));
  for (size_t i = 0; i < tasks.size(); ++i) {
    TERN_ASSIGN_OR_RETURN(const Score score,
                          ScoreTokens(scorer, sequences[i].first, sequences[i].second));
    const nlohmann::ordered_json line = {{"continuation", tasks[i].continuation},
                                         {"log_likelihood", score.log_likelihood},
                                         {"tokens", score.tokens},
                                         {"greedy", score.greedy}};
    std::printf("%s\n",
                line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  }
  return absl::OkStatus();
}

}  // namespace

void AddScore(CLI::App& app, absl::Status& status) {
  auto flags = std::make_shared<ScoreFlags>();
  CLI::App* command =
      app.add_subcommand("score", "Print the log-likelihoods of continuations of a text");
  flags->model.AddTo(*command);
  command->add_option("continuations", flags->continuations, "Texts to score");
  command->add_option("-c,--context", flags->context, "The text before them");
  command->add_option("--file", flags->file,
                      "JSON objects with context and continuation, one a line; - for stdin");
  command->callback([flags, &status] { status = RunScore(*flags); });
}

}  // namespace tern
