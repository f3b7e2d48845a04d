// SPDX-License-Identifier: MIT
// A file as a model: its shape, and its tokenizer at work.
#include <string>

#include "base/log.h"
#include "base/status_macros.h"
#include "formats/gguf.h"
#include "model/gguf_config.h"
#include "tests/fuzz/fuzz_target.h"
#include "text/tokenizer.h"

namespace tern {
namespace {

absl::Status ReadModel(const GgufFile& file) {
  const absl::StatusOr<ModelConfig> config = ReadModelConfig(file, file);
  const absl::StatusOr<Vocabulary> vocabulary = ReadVocabulary(file);
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer =
      vocabulary.ok() ? Tokenizer::Create(*vocabulary)
                      : absl::StatusOr<std::unique_ptr<Tokenizer>>(vocabulary.status());
  if (config.ok()) {
    TERN_CHECK(Validate(*config).ok());
    TERN_CHECK(file.Find(EmbeddingTensor(*config).name).ok());
  }
  if (tokenizer.ok()) {
    const std::string text = "Hello  world<|eot_id|>\r\n\xff 123's";
    for (const bool parse_special : {false, true}) {
      std::string bytes;
      for (const TokenId id : (*tokenizer)->Encode(text, parse_special)) {
        bytes += (*tokenizer)->TokenBytes(id);
      }
      // Bytes without a token are left out; llama puts a space before a text.
      if (vocabulary->model == "gpt2") TERN_CHECK(bytes.size() <= text.size());
    }
  }
  TERN_RETURN_IF_ERROR(config.status());
  return tokenizer.status();
}

}  // namespace

absl::Status RunFuzzTarget(std::span<const uint8_t> bytes) {
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<GgufFile> file, GgufFile::Parse(bytes, "fuzz"));
  const absl::Status status = ReadModel(*file);
  TERN_CHECK(status.ok() || absl::IsDataLoss(status) || absl::IsNotFound(status) ||
             absl::IsFailedPrecondition(status));
  return status;
}

}  // namespace tern
