// SPDX-License-Identifier: MIT
// `tern tokenize` and `tern detokenize`: text to token ids and back.
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "text/chat_template.h"
#include "tools/commands.h"
#include "tools/local_model.h"

namespace tern {
namespace {

struct TokenizeFlags {
  std::string model_path;
  std::optional<std::string> text;
  std::vector<std::string> ids;
  std::string file;
  bool special = false;
};

absl::Status Tokenize(const TokenizeFlags& flags) {
  TERN_ASSIGN_OR_RETURN(const OpenedModel model, OpenModel(flags.model_path, true));
  std::string text = flags.text.value_or("");
  if (!flags.file.empty()) {
    TERN_ASSIGN_OR_RETURN(text, ReadInput(flags.file));
  } else if (!flags.text) {
    return absl::InvalidArgumentError("text: found none, want one or --file");
  }
  std::vector<TokenId> ids = model.tokenizer->Encode(text, flags.special);
  if (flags.special && model.tokenizer->add_bos()) {
    ids.insert(ids.begin(), *model.tokenizer->bos());
  }
  if (flags.special && model.tokenizer->add_eos()) ids.push_back(*model.tokenizer->eos());
  std::printf("%s\n", absl::StrJoin(ids, " ").c_str());
  return absl::OkStatus();
}

absl::Status Detokenize(const TokenizeFlags& flags) {
  TERN_ASSIGN_OR_RETURN(const OpenedModel model, OpenModel(flags.model_path, true));
  std::string text = absl::StrJoin(flags.ids, " ");
  if (!flags.file.empty()) {
    TERN_ASSIGN_OR_RETURN(text, ReadInput(flags.file));
  }
  TERN_ASSIGN_OR_RETURN(const std::vector<TokenId> ids, ParseTokenIds(text));
  std::string bytes;
  for (const TokenId id : ids) {
    if (static_cast<size_t>(id) >= model.tokenizer->vocab()) {
      return absl::InvalidArgumentError(
          absl::StrCat("token id: found ", id, ", want below ", model.tokenizer->vocab()));
    }
    if (flags.special || !model.tokenizer->IsControl(id)) bytes += model.tokenizer->TokenBytes(id);
  }
  // What encoding put before the text.
  const bool has_prefix = model.tokenizer->adds_space_prefix() && !bytes.empty() && bytes[0] == ' ';
  std::fwrite(bytes.data() + (has_prefix ? 1 : 0), 1, bytes.size() - (has_prefix ? 1 : 0), stdout);
  std::printf("\n");
  return absl::OkStatus();
}

}  // namespace

void AddTokenize(CLI::App& app, absl::Status& status) {
  auto flags = std::make_shared<TokenizeFlags>();
  CLI::App* command = app.add_subcommand("tokenize", "Print the token ids of a text on one line");
  command->add_option("model", flags->model_path, "GGUF file or Hugging Face directory")
      ->required();
  auto* text = command->add_option("text", flags->text, "The text");
  command->add_option("--file", flags->file, "Take the text from this file; - for stdin")
      ->excludes(text);
  command->add_flag("--special", flags->special,
                    "Read names of special tokens as those tokens; add bos and eos where the model "
                    "wants them");
  command->callback([flags, &status] { status = Tokenize(*flags); });

  auto back = std::make_shared<TokenizeFlags>();
  CLI::App* detokenize = app.add_subcommand("detokenize", "Print the text of token ids");
  detokenize->add_option("model", back->model_path, "GGUF file or Hugging Face directory")
      ->required();
  auto* ids = detokenize->add_option("ids", back->ids, "Token ids");
  detokenize->add_option("--file", back->file, "Take the ids from this file; - for stdin")
      ->excludes(ids);
  detokenize->add_flag("--special", back->special, "Show control tokens by their names");
  detokenize->callback([back, &status] { status = Detokenize(*back); });
}

}  // namespace tern
