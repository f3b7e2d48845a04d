// SPDX-License-Identifier: MIT
#include "batch/input.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "batch/input_fields.h"

namespace tern {
namespace {

using Json = nlohmann::json;

constexpr char kChatUrl[] = "/v1/chat/completions";
constexpr char kCompletionUrl[] = "/v1/completions";

absl::Status ReadId(const std::string& name, const Json& value, BatchItem& item) {
  if (!value.is_string() && !value.is_number_integer()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": want a text or a whole number"));
  }
  item.id = value;
  return absl::OkStatus();
}

absl::Status ReadFields(const Json& fields, BatchItem& item) {
  for (const auto& [name, value] : fields.items()) {
    TERN_RETURN_IF_ERROR(ReadRequestField(name, value, item));
  }
  if (item.prompt.empty() == item.messages.empty()) {
    return absl::InvalidArgumentError("want one of prompt and messages");
  }
  if (item.top_logprobs > 0 && !item.logprobs) {
    return absl::InvalidArgumentError("top_logprobs: want logprobs as well");
  }
  // The sampler computes none unless it reports at least one.
  item.sampling.logprobs = item.logprobs ? std::max(1u, item.top_logprobs) : 0;
  return absl::OkStatus();
}

absl::Status ReadPlain(const Json& line, BatchItem& item) {
  Json fields = line;
  if (line.contains("id")) {
    TERN_RETURN_IF_ERROR(ReadId("id", line["id"], item));
    fields.erase("id");
  }
  return ReadFields(fields, item);
}

absl::Status ReadOpenAi(const Json& line, BatchItem& item) {
  TERN_RETURN_IF_ERROR(ReadId("custom_id", line["custom_id"], item));
  for (const auto& [name, value] : line.items()) {
    if (name == "custom_id" || name == "method" || name == "url" || name == "body") continue;
    return absl::InvalidArgumentError(absl::StrCat(name, ": a field that is not known"));
  }
  const Json url = line.value("url", Json());
  if (url != kChatUrl && url != kCompletionUrl) {
    return absl::InvalidArgumentError(
        absl::StrCat("url: found ", url.dump(), ", want ", kChatUrl, " or ", kCompletionUrl));
  }
  if (line.value("method", Json("POST")) != "POST") {
    return absl::InvalidArgumentError("method: want POST");
  }
  if (!line.contains("body") || !line["body"].is_object()) {
    return absl::InvalidArgumentError("body: want an object");
  }
  TERN_RETURN_IF_ERROR(ReadFields(line["body"], item));
  if (item.is_chat() == (url == kChatUrl)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("body: want ", url == kChatUrl ? "messages" : "prompt", " for this url"));
}

absl::Status ReadItem(absl::string_view text, BatchItem& item) {
  if (text.size() > kMaxLineBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("found more bytes than ", kMaxLineBytes, ", the most of a line"));
  }
  const Json line = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!line.is_object()) return absl::InvalidArgumentError("want a JSON object");
  item.is_openai = line.contains("custom_id");
  TERN_RETURN_IF_ERROR(item.is_openai ? ReadOpenAi(line, item) : ReadPlain(line, item));
  return Validate(item.sampling);
}

}  // namespace

ParsedLine ParseLine(absl::string_view text, uint64_t line, const BatchSettings& defaults) {
  ParsedLine parsed;
  BatchItem& item = parsed.item;
  item.line = line;
  item.sampling = defaults.sampling;
  item.sampling.seed += line;  // lines of the same prompt are samples of their own
  item.max_tokens = defaults.max_tokens;
  item.stop = defaults.stop;
  item.ignore_eos = defaults.ignore_eos;
  item.token_ids = defaults.token_ids;
  parsed.status = ReadItem(text, item);
  return parsed;
}

absl::StatusOr<GenerationRequest> MakeRequest(const BatchItem& item, const Tokenizer& tokenizer,
                                              const absl::StatusOr<ChatFormat>& format) {
  GenerationRequest request;
  if (item.is_chat()) {
    if (!format.ok()) return format.status();
    TERN_ASSIGN_OR_RETURN(request.prompt, ApplyChatTemplate(tokenizer, *format, item.messages));
  } else {
    request.prompt = EncodePrompt(tokenizer, item.prompt);
  }
  request.max_tokens = item.max_tokens;
  request.sampling = item.sampling;
  request.stop = item.stop;
  if (!item.ignore_eos) request.stop_tokens = tokenizer.stop_tokens();
  return request;
}

}  // namespace tern
