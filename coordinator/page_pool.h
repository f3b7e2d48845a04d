// SPDX-License-Identifier: MIT
// Which KV pages are whose, and which tokens the full ones hold. Every stage has the same number of
// pages and does as it is told, so this is the only place that decides.
#ifndef TERN_COORDINATOR_PAGE_POOL_H_
#define TERN_COORDINATOR_PAGE_POOL_H_

#include <array>
#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/node_hash_map.h"
#include "model/kv_cache.h"
#include "text/tokenizer.h"

namespace tern {

// A page is free, held by one sequence or several, or cached: full, held by none, and kept for a
// sequence that begins with the same tokens, until its room is wanted.
//
// A full page is known by its tokens and by the page before it, of the same sequence: a chain from
// the first token on. So pages of equal tokens behind different beginnings are never mistaken for
// each other; the hash only finds them. Thread-compatible.
class PagePool {
 public:
  // The place of a full page in the index; kNoChain before a sequence's first page.
  using ChainId = uint64_t;
  static constexpr ChainId kNoChain = 0;

  explicit PagePool(uint64_t pages);

  // A page for one sequence to write, with one reference: a free one, else the cached one that was
  // held least recently. Nothing if every page is held.
  std::optional<uint32_t> Take();

  // The longest chain of full pages that begins a sequence of `tokens`, at most `most` pages, with
  // one reference more on each.
  struct Match {
    std::vector<uint32_t> pages;
    ChainId chain = kNoChain;  // of the last
  };
  Match Acquire(std::span<const TokenId> tokens, size_t most);

  // Makes a full page findable as the one after `before`. REQUIRES kKvPageTokens tokens, and that
  // a step with the last of its rows is built, so that what finds the page goes down after it. The
  // page's place in the chain, which is another's if there is such a page already.
  ChainId Index(uint32_t page, ChainId before, std::span<const TokenId> tokens);

  // Takes back a sequence's references, in order of its table.
  void Return(std::span<const uint32_t> pages);

  // Pages that Take could give.
  uint64_t available() const { return free_.size() + cached_.size(); }
  uint64_t pages() const { return pages_.size(); }
  uint64_t cached() const { return cached_.size(); }

 private:
  struct Key {
    ChainId before = kNoChain;
    std::array<TokenId, kKvPageTokens> tokens = {};
    bool operator==(const Key&) const = default;
    template <typename H>
    friend H AbslHashValue(H state, const Key& key) {
      return H::combine(std::move(state), key.before, key.tokens);
    }
  };
  struct Found {
    uint32_t page = 0;
    ChainId chain = kNoChain;
  };
  struct Page {
    uint32_t references = 0;
    const Key* key = nullptr;              // in index_; null if it cannot be found
    std::list<uint32_t>::iterator cached;  // in cached_, while there
  };

  void Hold(uint32_t page);

  std::vector<Page> pages_;
  std::vector<uint32_t> free_;  // the next one last
  // Longest not held first. A page comes after those behind it in its chain, as it is given back
  // after them, so a chain loses its end first.
  std::list<uint32_t> cached_;
  absl::node_hash_map<Key, Found> index_;
  ChainId last_chain_ = kNoChain;
};

}  // namespace tern

#endif  // TERN_COORDINATOR_PAGE_POOL_H_
