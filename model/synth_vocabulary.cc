// SPDX-License-Identifier: MIT
#include "model/synth_vocabulary.h"

#include "absl/strings/str_cat.h"
#include "text/byte_alphabet.h"

namespace tern {
namespace {

constexpr uint32_t kLlama3Vocab = 128256;
constexpr int64_t kNormal = 1;
constexpr int64_t kControl = 3;

// The special tokens, in order of their ids. Llama 3 has 256, most of them reserved.
std::vector<std::string> SpecialNames(uint32_t vocab) {
  if (vocab != kLlama3Vocab) return {"<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"};
  std::vector<std::string> names(256);
  names[0] = "<|begin_of_text|>";
  names[1] = "<|end_of_text|>";
  names[6] = "<|start_header_id|>";
  names[7] = "<|end_header_id|>";
  names[9] = "<|eot_id|>";
  int reserved = 0;
  for (std::string& name : names) {
    if (name.empty()) name = absl::StrCat("<|reserved_special_token_", reserved++, "|>");
  }
  return names;
}

template <typename T>
GgufValue Array(std::vector<T> elements) {
  GgufValue value;
  value.value.emplace<GgufArray>(std::move(elements));
  return value;
}

GgufValue Unsigned(uint64_t number) {
  GgufValue value;
  value.value.emplace<uint64_t>(number);
  return value;
}

}  // namespace

void AppendSyntheticVocabulary(uint32_t vocab,
                               std::vector<std::pair<std::string, GgufValue>>& metadata) {
  const std::vector<std::string> specials = SpecialNames(vocab);
  const size_t words_end = vocab - specials.size();
  std::vector<std::string> tokens;
  std::vector<std::string> merges;
  for (int byte = 0; byte < 256; ++byte) {
    tokens.push_back(BytesToLetters(std::string(1, static_cast<char>(byte))));
  }
  // Word n is word n / 26 and one more letter; words 1 to 26 are the letters themselves.
  std::vector<std::string> words = {""};
  while (tokens.size() < words_end) {
    const size_t n = words.size();
    const std::string start = words[(n - 1) / 26];
    const char letter = static_cast<char>('a' + (n - 1) % 26);
    words.push_back(start + letter);
    if (start.empty()) continue;
    tokens.push_back(words.back());
    merges.push_back(absl::StrCat(start, " ", std::string(1, letter)));
  }
  std::vector<int64_t> kinds(tokens.size(), kNormal);
  tokens.insert(tokens.end(), specials.begin(), specials.end());
  kinds.resize(vocab, kControl);

  GgufValue model;
  model.value.emplace<std::string>("gpt2");
  GgufValue pre;
  pre.value.emplace<std::string>("llama-bpe");
  GgufValue add_bos;
  add_bos.value.emplace<bool>(true);
  metadata.emplace_back("tokenizer.ggml.model", model);
  metadata.emplace_back("tokenizer.ggml.pre", pre);
  metadata.emplace_back("tokenizer.ggml.tokens", Array(std::move(tokens)));
  metadata.emplace_back("tokenizer.ggml.scores", Array(std::vector<double>(vocab)));
  metadata.emplace_back("tokenizer.ggml.token_type", Array(std::move(kinds)));
  metadata.emplace_back("tokenizer.ggml.merges", Array(std::move(merges)));
  metadata.emplace_back("tokenizer.ggml.bos_token_id", Unsigned(words_end));
  metadata.emplace_back("tokenizer.ggml.eos_token_id", Unsigned(words_end + 1));
  metadata.emplace_back("tokenizer.ggml.padding_token_id", Unsigned(words_end + 1));
  metadata.emplace_back("tokenizer.ggml.add_bos_token", add_bos);
}

}  // namespace tern
