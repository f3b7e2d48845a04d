// SPDX-License-Identifier: MIT
#include "batch/output.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace tern {
namespace {

using OrderedJson = nlohmann::ordered_json;

// Text of the model may end within a character: U+FFFD stands for what is none.
std::string Dump(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

OrderedJson TokenJson(const TokenLogprob& token, const Tokenizer& tokenizer) {
  return {{"token", tokenizer.TokenBytes(token.token)},
          {"id", token.token},
          {"logprob", token.logprob}};
}

OrderedJson Logprobs(const BatchItem& item, const BatchAnswer& answer, const Tokenizer& tokenizer) {
  OrderedJson content = OrderedJson::array();
  for (const SampledToken& token : answer.tokens) {
    OrderedJson entry = TokenJson(token.chosen, tokenizer);
    entry["top_logprobs"] = OrderedJson::array();
    for (uint32_t i = 0; i < item.top_logprobs && i < token.top.size(); ++i) {
      entry["top_logprobs"].push_back(TokenJson(token.top[i], tokenizer));
    }
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}};
}

OrderedJson Usage(const BatchAnswer& answer) {
  return {{"prompt_tokens", answer.prompt_tokens},
          {"completion_tokens", answer.generated_tokens},
          {"total_tokens", answer.prompt_tokens + answer.generated_tokens}};
}

// What both forms have behind the text.
void AddDetails(const BatchItem& item, const BatchAnswer& answer, const Tokenizer& tokenizer,
                OrderedJson& to) {
  if (item.token_ids) {
    to["token_ids"] = OrderedJson::array();
    for (const SampledToken& token : answer.tokens) to["token_ids"].push_back(token.chosen.token);
  }
  if (item.logprobs) to["logprobs"] = Logprobs(item, answer, tokenizer);
  to["finish_reason"] = FinishReasonName(answer.reason);
}

std::string AnswerName(const BatchItem& item) { return absl::StrCat("line-", item.line); }

OrderedJson OpenAiBody(const BatchItem& item, const BatchAnswer& answer,
                       const Tokenizer& tokenizer) {
  OrderedJson choice = {{"index", 0}};
  if (item.is_chat()) {
    choice["message"] = {{"role", "assistant"}, {"content", answer.text}};
  } else {
    choice["text"] = answer.text;
  }
  AddDetails(item, answer, tokenizer, choice);
  return {{"id", AnswerName(item)},
          {"object", item.is_chat() ? "chat.completion" : "text_completion"},
          {"choices", OrderedJson::array({std::move(choice)})},
          {"usage", Usage(answer)},
          {"seed", item.sampling.seed}};
}

OrderedJson PlainId(const BatchItem& item) {
  return item.id.is_null() ? OrderedJson(item.line) : OrderedJson(item.id);
}

}  // namespace

std::string AnswerLine(const BatchItem& item, const BatchAnswer& answer,
                       const Tokenizer& tokenizer) {
  if (item.is_openai) {
    return Dump({{"id", AnswerName(item)},
                 {"custom_id", item.id},
                 {"response",
                  {{"status_code", 200},
                   {"request_id", AnswerName(item)},
                   {"body", OpenAiBody(item, answer, tokenizer)}}},
                 {"error", nullptr}});
  }
  OrderedJson json = {{"id", PlainId(item)}, {"text", answer.text}};
  AddDetails(item, answer, tokenizer, json);
  json["usage"] = Usage(answer);
  json["seed"] = item.sampling.seed;
  return Dump(json);
}

std::string ErrorLine(const BatchItem& item, const absl::Status& status) {
  const OrderedJson error = {{"code", absl::StatusCodeToString(status.code())},
                             {"message", std::string(status.message())},
                             {"line", item.line}};
  if (item.is_openai) {
    return Dump({{"id", AnswerName(item)},
                 {"custom_id", item.id},
                 {"response", nullptr},
                 {"error", error}});
  }
  return Dump({{"id", PlainId(item)}, {"error", error}});
}

}  // namespace tern
