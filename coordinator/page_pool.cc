// SPDX-License-Identifier: MIT
#include "coordinator/page_pool.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace tern {

PagePool::PagePool(uint64_t pages) : pages_(pages), free_(pages) {
  for (uint64_t i = 0; i < pages; ++i) free_[i] = static_cast<uint32_t>(pages - 1 - i);
}

std::optional<uint32_t> PagePool::Take() {
  uint32_t taken = 0;
  if (!free_.empty()) {
    taken = free_.back();
    free_.pop_back();
  } else if (!cached_.empty()) {
    taken = cached_.front();
    cached_.pop_front();
    index_.erase(*pages_[taken].key);
    pages_[taken].key = nullptr;
  } else {
    return std::nullopt;
  }
  pages_[taken].references = 1;
  return taken;
}

PagePool::Match PagePool::Acquire(std::span<const TokenId> tokens, size_t most) {
  Match match;
  most = std::min<size_t>(most, tokens.size() / kKvPageTokens);
  Key key;
  while (match.pages.size() < most) {
    const auto page_tokens = tokens.subspan(match.pages.size() * kKvPageTokens, kKvPageTokens);
    key.before = match.chain;
    std::copy(page_tokens.begin(), page_tokens.end(), key.tokens.begin());
    const auto found = index_.find(key);
    if (found == index_.end()) break;
    Hold(found->second.page);
    match.pages.push_back(found->second.page);
    match.chain = found->second.chain;
  }
  return match;
}

void PagePool::Hold(uint32_t page) {
  if (pages_[page].references++ == 0) cached_.erase(pages_[page].cached);
}

PagePool::ChainId PagePool::Index(uint32_t page, ChainId before, std::span<const TokenId> tokens) {
  TERN_CHECK(tokens.size() == kKvPageTokens && pages_[page].key == nullptr);
  Key key{.before = before};
  std::copy(tokens.begin(), tokens.end(), key.tokens.begin());
  const auto [entry, is_new] = index_.try_emplace(key);
  if (is_new) {
    entry->second = {page, ++last_chain_};
    pages_[page].key = &entry->first;
  }
  return entry->second.chain;
}

void PagePool::Return(std::span<const uint32_t> pages) {
  for (size_t i = pages.size(); i-- > 0;) {
    Page& page = pages_[pages[i]];
    TERN_CHECK(page.references > 0);
    if (--page.references > 0) continue;
    if (page.key == nullptr) {
      free_.push_back(pages[i]);
    } else {
      page.cached = cached_.insert(cached_.end(), pages[i]);
    }
  }
}

}  // namespace tern
