// SPDX-License-Identifier: MIT
// Cuts text into the pieces that byte pairs are merged within: GGUF's pre-tokenizer "llama-bpe".
#ifndef TERN_TEXT_PRETOKENIZER_H_
#define TERN_TEXT_PRETOKENIZER_H_

#include <memory>
#include <vector>

#include "absl/strings/string_view.h"

namespace tern {

// Immutable, thread-safe. Categories are those of the Unicode version that PCRE2 was built with.
class PreTokenizer {
 public:
  PreTokenizer();
  ~PreTokenizer();
  PreTokenizer(const PreTokenizer&) = delete;
  PreTokenizer& operator=(const PreTokenizer&) = delete;

  // Pieces of `text`, in order, that together are `text`. A byte that is not UTF-8 is a piece of
  // its own.
  std::vector<absl::string_view> Split(absl::string_view text) const;

 private:
  struct Pattern;
  std::unique_ptr<const Pattern> pattern_;
};

}  // namespace tern

#endif  // TERN_TEXT_PRETOKENIZER_H_
