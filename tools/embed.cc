// SPDX-License-Identifier: MIT
// `tern embed`: vectors of texts, one JSON array a line.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "model/embedder.h"
#include "text/chat_template.h"
#include "tools/commands.h"
#include "tools/local_model.h"

namespace tern {
namespace {

struct EmbedFlags {
  LocalModelFlags model;
  std::vector<std::string> texts;
  std::string file;
};

absl::Status RunEmbed(EmbedFlags flags) {
  if (!flags.file.empty()) {
    TERN_ASSIGN_OR_RETURN(const std::string lines, ReadInput(flags.file));
    for (const absl::string_view line : absl::StrSplit(lines, '\n', absl::SkipEmpty())) {
      flags.texts.emplace_back(line);
    }
  }
  if (flags.texts.empty()) {
    return absl::InvalidArgumentError("texts: found none, want one or --file");
  }
  TERN_ASSIGN_OR_RETURN(const LocalModel model, LoadLocalModel(flags.model, true));
  for (const std::string& text : flags.texts) {
    TERN_ASSIGN_OR_RETURN(const std::vector<float> vector,
                          EmbedTokens(*model.transformer, EncodeDocument(*model.tokenizer, text),
                                      flags.model.kv_type));
    for (size_t i = 0; i < vector.size(); ++i) {
      std::printf("%s%.9g", i == 0 ? "[" : ", ", static_cast<double>(vector[i]));
    }
    std::printf("]\n");
  }
  return absl::OkStatus();
}

}  // namespace

void AddEmbed(CLI::App& app, absl::Status& status) {
  auto flags = std::make_shared<EmbedFlags>();
  CLI::App* command = app.add_subcommand(
      "embed", "Print a vector for each text: the last token's output, of length 1");
  flags->model.AddTo(*command);
  command->add_option("texts", flags->texts, "Texts");
  command->add_option("--file", flags->file, "Take texts from this file, one a line; - for stdin");
  command->callback([flags, &status] { status = RunEmbed(*flags); });
}

}  // namespace tern
