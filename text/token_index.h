// SPDX-License-Identifier: MIT
// Token ids by their text. The texts lie where they are anyhow: an entry takes five bytes, so that
// a vocabulary of 128,256 tokens takes 1.3 MB, where a map with the texts' places would take 6.5.
#ifndef TERN_TEXT_TOKEN_INDEX_H_
#define TERN_TEXT_TOKEN_INDEX_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "text/vocabulary.h"

namespace tern {

// Thread-compatible.
class TokenIndex {
 public:
  // `texts`, by id, must outlive the object; texts of ids that were added must not change.
  explicit TokenIndex(const std::vector<std::string>* texts)
      : ids_(/*bucket_count=*/0, Hash{texts}, Equal{texts}) {}

  // False if an id of the same text is there already; nothing changes then.
  bool Add(TokenId id) { return ids_.insert(id).second; }

  std::optional<TokenId> Find(absl::string_view text) const {
    const auto found = ids_.find(text);
    return found == ids_.end() ? std::nullopt : std::optional(*found);
  }

 private:
  struct Texts {
    const std::vector<std::string>* texts;

    absl::string_view Of(TokenId id) const { return (*texts)[static_cast<size_t>(id)]; }
    static absl::string_view Of(absl::string_view text) { return text; }
  };
  struct Hash : Texts {
    using is_transparent = void;
    template <typename Key>
    size_t operator()(const Key& key) const {
      return absl::HashOf(Of(key));
    }
  };
  struct Equal : Texts {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return Of(a) == Of(b);
    }
  };

  absl::flat_hash_set<TokenId, Hash, Equal> ids_;
};

}  // namespace tern

#endif  // TERN_TEXT_TOKEN_INDEX_H_
