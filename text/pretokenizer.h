// SPDX-License-Identifier: MIT
// Cuts text into the pieces that byte pairs are merged within, as GGUF's tokenizer.ggml.pre says.
#ifndef TERN_TEXT_PRETOKENIZER_H_
#define TERN_TEXT_PRETOKENIZER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tern {

// Immutable, thread-safe. Categories are those of the Unicode version that PCRE2 was built with.
class PreTokenizer {
 public:
  // "llama-bpe", "gpt-2", "falcon", "falcon3", "qwen2", "default", and other names that files give
  // these. FAILED_PRECONDITION, listing the names, for any other.
  static absl::StatusOr<std::unique_ptr<PreTokenizer>> Create(absl::string_view name);
  // The name by which Create knows the expression of a Hugging Face tokenizer's `Split`; empty if
  // it is none of them.
  static std::string NameOfExpression(absl::string_view expression);

  ~PreTokenizer();
  PreTokenizer(const PreTokenizer&) = delete;
  PreTokenizer& operator=(const PreTokenizer&) = delete;

  using Sink = absl::FunctionRef<void(absl::string_view piece)>;
  // Calls sink(piece) for the pieces of `text`, in order, that together are `text`. A byte that is
  // not UTF-8 is a piece of its own.
  void Split(absl::string_view text, Sink sink) const;

  // Whether a piece that is a token is not merged from smaller ones: so it is in Llama 3.
  bool whole_pieces() const { return whole_pieces_; }

 private:
  struct Pattern;
  struct Pass;
  PreTokenizer();
  void SplitPass(size_t pass, absl::string_view text, std::vector<Pass>& passes, Sink sink) const;

  std::vector<std::unique_ptr<const Pattern>> patterns_;  // each cuts the pieces of the one before
  bool whole_pieces_ = false;
};

}  // namespace tern

#endif  // TERN_TEXT_PRETOKENIZER_H_
