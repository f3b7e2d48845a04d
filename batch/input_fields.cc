// SPDX-License-Identifier: MIT
#include "batch/input_fields.h"

#include <algorithm>
#include <limits>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace tern {
namespace {

using Json = nlohmann::json;
using ReadField = absl::Status (*)(const Json& value, BatchItem& item);

constexpr size_t kShownBytes = 60;

// What was found, cut short.
std::string Shown(const Json& value) {
  const std::string text = value.dump(-1, ' ', true);
  return text.size() <= kShownBytes ? text : text.substr(0, kShownBytes) + "...";
}

absl::Status Unwanted(const Json& value, absl::string_view want) {
  return absl::InvalidArgumentError(absl::StrCat("found ", Shown(value), ", want ", want));
}

absl::Status ReadFloat(const Json& value, float& to) {
  if (!value.is_number()) return Unwanted(value, "a number");
  to = value.get<float>();
  return absl::OkStatus();
}

absl::Status ReadCount(const Json& value, uint32_t& to) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > std::numeric_limits<uint32_t>::max()) {
    return Unwanted(value, "a whole number");
  }
  to = value.get<uint32_t>();
  return absl::OkStatus();
}

absl::Status ReadFlag(const Json& value, bool& to) {
  if (!value.is_boolean()) return Unwanted(value, "true or false");
  to = value.get<bool>();
  return absl::OkStatus();
}

absl::Status ReadPrompt(const Json& value, BatchItem& item) {
  if (!value.is_string()) return Unwanted(value, "a text");
  item.prompt = value.get<std::string>();
  return item.prompt.empty() ? Unwanted(value, "some text") : absl::OkStatus();
}

// A text, or OpenAI's list of parts, each {"type": "text", "text": ...}.
absl::Status ReadContent(const Json& value, std::string& to) {
  if (value.is_string()) {
    to = value.get<std::string>();
    return absl::OkStatus();
  }
  if (!value.is_array()) return Unwanted(value, "a text as content");
  for (const Json& part : value) {
    const bool is_text = part.is_object() && part.value("type", Json()) == "text" &&
                         part.contains("text") && part["text"].is_string();
    if (!is_text) return Unwanted(part, "parts of type text");
    to += part["text"].get<std::string>();
  }
  return absl::OkStatus();
}

absl::Status ReadMessages(const Json& value, BatchItem& item) {
  if (!value.is_array() || value.empty()) return Unwanted(value, "a list of messages");
  for (const Json& from : value) {
    if (!from.is_object() || !from.contains("role") || !from["role"].is_string() ||
        !from.contains("content")) {
      return Unwanted(from, "a role and content");
    }
    ChatMessage& message = item.messages.emplace_back();
    message.role = from["role"].get<std::string>();
    TERN_RETURN_IF_ERROR(ReadContent(from["content"], message.content));
  }
  return absl::OkStatus();
}

absl::Status ReadSeed(const Json& value, BatchItem& item) {
  if (!value.is_number_unsigned()) return Unwanted(value, "a whole number");
  item.sampling.seed = value.get<uint64_t>();
  return absl::OkStatus();
}

absl::Status ReadStop(const Json& value, BatchItem& item) {
  item.stop.clear();
  const Json texts = value.is_array() ? value : Json::array({value});
  for (const Json& text : texts) {
    if (!text.is_string()) return Unwanted(text, "a text or a list of texts");
    item.stop.push_back(text.get<std::string>());
  }
  return absl::OkStatus();
}

// A number of likely tokens, as completions have it, or whether there are any, as chats do.
absl::Status ReadLogprobs(const Json& value, BatchItem& item) {
  if (value.is_boolean()) {
    item.logprobs = value.get<bool>();
    return absl::OkStatus();
  }
  item.logprobs = true;
  return ReadCount(value, item.top_logprobs);
}

absl::Status ReadTopLogprobs(const Json& value, BatchItem& item) {
  return ReadCount(value, item.top_logprobs);
}

absl::Status ReadMaxTokens(const Json& value, BatchItem& item) {
  return ReadCount(value, item.max_tokens);
}

// What clients of OpenAI send along and Tern has only in this one way.
absl::Status OnlyZero(const Json& value, BatchItem&) {
  return value.is_number() && value.get<double>() == 0 ? absl::OkStatus() : Unwanted(value, "0");
}
absl::Status OnlyOne(const Json& value, BatchItem&) {
  return value == 1 ? absl::OkStatus() : Unwanted(value, "1");
}
absl::Status OnlyFalse(const Json& value, BatchItem&) {
  return value == false ? absl::OkStatus() : Unwanted(value, "false");
}
absl::Status Ignore(const Json&, BatchItem&) { return absl::OkStatus(); }

const std::map<std::string, ReadField>& Fields() {
  static const auto& fields = *new std::map<std::string, ReadField>{
      {"prompt", ReadPrompt},
      {"messages", ReadMessages},
      {"max_tokens", ReadMaxTokens},
      {"max_completion_tokens", ReadMaxTokens},
      {"temperature",
       [](const Json& v, BatchItem& i) { return ReadFloat(v, i.sampling.temperature); }},
      {"top_k", [](const Json& v, BatchItem& i) { return ReadCount(v, i.sampling.top_k); }},
      {"top_p", [](const Json& v, BatchItem& i) { return ReadFloat(v, i.sampling.top_p); }},
      {"min_p", [](const Json& v, BatchItem& i) { return ReadFloat(v, i.sampling.min_p); }},
      {"repetition_penalty",
       [](const Json& v, BatchItem& i) { return ReadFloat(v, i.sampling.repetition_penalty); }},
      {"seed", ReadSeed},
      {"stop", ReadStop},
      {"ignore_eos", [](const Json& v, BatchItem& i) { return ReadFlag(v, i.ignore_eos); }},
      {"return_token_ids", [](const Json& v, BatchItem& i) { return ReadFlag(v, i.token_ids); }},
      {"logprobs", ReadLogprobs},
      {"top_logprobs", ReadTopLogprobs},
      {"n", OnlyOne},
      {"best_of", OnlyOne},
      {"stream", OnlyFalse},
      {"echo", OnlyFalse},
      {"frequency_penalty", OnlyZero},
      {"presence_penalty", OnlyZero},
      {"model", Ignore},
      {"user", Ignore},
      {"metadata", Ignore},
      {"store", Ignore},
  };
  return fields;
}

}  // namespace

absl::Status ReadRequestField(const std::string& name, const Json& value, BatchItem& item) {
  const auto found = Fields().find(name);
  if (found == Fields().end()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": a field that is not known"));
  }
  if (value.is_null()) return absl::OkStatus();
  const absl::Status status = found->second(value, item);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(absl::StrCat(name, ": ", status.message()));
}

}  // namespace tern
