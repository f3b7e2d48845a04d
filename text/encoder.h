// SPDX-License-Identifier: MIT
// How ordinary text becomes tokens: what the kinds of tokenizer differ in. Not for anyone but
// text/tokenizer.h.
#ifndef TERN_TEXT_ENCODER_H_
#define TERN_TEXT_ENCODER_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "text/vocabulary.h"

namespace tern {

// Immutable, thread-safe.
class TextEncoder {
 public:
  virtual ~TextEncoder() = default;

  // Appends the tokens of `text`, which has no special tokens. `at_start`: nothing, or a special
  // token, stands before it. Never fails: bytes that are not UTF-8 are encoded one by one.
  virtual void Encode(absl::string_view text, bool at_start, std::vector<TokenId>& ids) const = 0;

  // The bytes that each token stands for, by id.
  virtual const std::vector<std::string>& token_bytes() const = 0;
};

}  // namespace tern

#endif  // TERN_TEXT_ENCODER_H_
