// SPDX-License-Identifier: MIT
// Any conversation in every format, and any template: fields end with a zero byte, the first is the
// template, then roles and texts take turns.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "base/log.h"
#include "formats/gguf.h"
#include "tests/fuzz/fuzz_target.h"
#include "text/chat_template.h"

namespace tern {

absl::Status RunFuzzTarget(std::span<const uint8_t> bytes) {
  static const auto file = GgufFile::Open(TERN_TESTDATA "/tokenizer.gguf").value();
  static const Vocabulary sample = ReadVocabulary(*file).value();
  static const auto tokenizer = Tokenizer::Create(sample).value();
  const std::string all(bytes.begin(), bytes.end());
  const std::vector<std::string> fields = absl::StrSplit(all, '\0');
  Vocabulary vocabulary;
  vocabulary.source = "fuzz";
  vocabulary.chat_template = fields[0];
  const absl::StatusOr<ChatFormat> found = DetectChatFormat(vocabulary);
  TERN_CHECK(found.ok() || absl::IsFailedPrecondition(found.status()));
  std::vector<ChatMessage> messages;
  for (size_t i = 1; i + 1 < fields.size(); i += 2) messages.push_back({fields[i], fields[i + 1]});
  for (const ChatFormat format : {ChatFormat::kBitNet, ChatFormat::kLlama3, ChatFormat::kChatMl,
                                  ChatFormat::kFalcon3, ChatFormat::kQwen3}) {
    const auto ids = ApplyChatTemplate(*tokenizer, format, messages);
    TERN_CHECK(ids.ok() || absl::IsInvalidArgument(ids.status()) ||
               absl::IsFailedPrecondition(ids.status()));
    // One end for each turn: texts cannot make more.
    if (!ids.ok() || format != ChatFormat::kBitNet) continue;
    const TokenId end = *tokenizer->Special("<|eot_id|>");
    TERN_CHECK(static_cast<size_t>(std::count(ids->begin(), ids->end(), end)) == messages.size());
  }
  return absl::OkStatus();
}

}  // namespace tern
