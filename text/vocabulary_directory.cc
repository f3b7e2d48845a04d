// SPDX-License-Identifier: MIT
#include "text/vocabulary_directory.h"

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/mapped_file.h"
#include "base/status_macros.h"
#include "formats/json_text.h"
#include "text/sentencepiece_model.h"
#include "text/tiktoken.h"
#include "text/tokenizer_json.h"

namespace tern {
namespace {

using Json = nlohmann::json;

absl::StatusOr<std::string> ReadText(const std::string& path) {
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<MappedFile> file, MappedFile::Open(path));
  const std::span<const uint8_t> bytes = file->bytes();
  return std::string(bytes.begin(), bytes.end());
}

absl::StatusOr<Vocabulary> ReadTables(const std::filesystem::path& folder) {
  const std::string json_path = folder / "tokenizer.json", model_path = folder / "tokenizer.model";
  const absl::StatusOr<std::string> json = ReadText(json_path);
  if (json.ok()) return ParseTokenizerJson(*json, json_path);
  if (!absl::IsNotFound(json.status())) return json.status();
  const absl::StatusOr<std::string> model = ReadText(model_path);
  if (absl::IsNotFound(model.status())) {
    return absl::NotFoundError(
        absl::StrCat(folder.string(), ": found neither tokenizer.json nor tokenizer.model"));
  }
  if (!model.ok()) return model.status();
  // A message of SentencePiece begins with a piece, field 1; tiktoken's lines are base64.
  constexpr char kFirstField = 0x0a;
  if (!model->empty() && model->front() == kFirstField) {
    return ParseSentencePieceModel(*model, model_path);
  }
  return ParseTiktoken(*model, model_path);
}

// A token as files name it: a string, or an object with its content.
std::optional<TokenId> FindToken(const Vocabulary& vocabulary, const Json& token) {
  const Json& text = token.is_object() && token.contains("content") ? token["content"] : token;
  if (!text.is_string()) return std::nullopt;
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    if (vocabulary.tokens[id] == text.get<std::string>()) return static_cast<TokenId>(id);
  }
  return std::nullopt;
}

void ReadTokenizerConfig(const Json& json, Vocabulary& vocabulary) {
  const std::pair<const char*, std::optional<TokenId>*> tokens[] = {
      {"bos_token", &vocabulary.bos},
      {"eos_token", &vocabulary.eos},
      {"unk_token", &vocabulary.unknown},
      {"pad_token", &vocabulary.padding}};
  for (const auto& [key, id] : tokens) {
    if (!json.contains(key)) continue;
    if (const std::optional<TokenId> found = FindToken(vocabulary, json[key])) *id = found;
  }
  const std::pair<const char*, std::optional<bool>*> flags[] = {
      {"add_bos_token", &vocabulary.add_bos}, {"add_eos_token", &vocabulary.add_eos}};
  for (const auto& [key, flag] : flags) {
    if (json.contains(key) && json[key].is_boolean()) *flag = json[key].get<bool>();
  }
  if (json.contains("chat_template") && json["chat_template"].is_string()) {
    vocabulary.chat_template = json["chat_template"].get<std::string>();
  }
}

// Ends of a generation: one, or a list whose first is the end of a text.
void ReadGenerationConfig(const Json& json, Vocabulary& vocabulary) {
  if (!json.contains("eos_token_id")) return;
  const Json& eos = json["eos_token_id"];
  const auto known = [&](const Json& id) -> std::optional<TokenId> {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= vocabulary.tokens.size()) return {};
    return static_cast<TokenId>(id.get<uint64_t>());
  };
  const Json list = eos.is_array() ? eos : Json::array({eos});
  for (const Json& id : list) {
    const std::optional<TokenId> token = known(id);
    if (!token || token == vocabulary.eos) continue;
    if (!vocabulary.eos) vocabulary.eos = token;
    vocabulary.eot = token;
  }
}

}  // namespace

absl::StatusOr<Vocabulary> ReadVocabularyOfDirectory(const std::string& directory) {
  const std::filesystem::path folder(directory);
  TERN_ASSIGN_OR_RETURN(Vocabulary vocabulary, ReadTables(folder));
  const std::pair<const char*, void (*)(const Json&, Vocabulary&)> more[] = {
      {"tokenizer_config.json", ReadTokenizerConfig},
      {"generation_config.json", ReadGenerationConfig}};
  for (const auto& [file, read] : more) {
    const absl::StatusOr<Json> json = ReadJsonObject(folder / file);
    if (absl::IsNotFound(json.status())) continue;
    if (!json.ok()) return json.status();
    read(*json, vocabulary);
  }
  const absl::StatusOr<std::string> jinja = ReadText(folder / "chat_template.jinja");
  if (jinja.ok()) vocabulary.chat_template = *jinja;
  if (!vocabulary.bos) vocabulary.add_bos = false;
  return vocabulary;
}

}  // namespace tern
