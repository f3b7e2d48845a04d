// SPDX-License-Identifier: MIT
// Hands out a cache's pages to the sequences of this process alone, where no coordinator does.
#ifndef TERN_MODEL_LOCAL_PAGES_H_
#define TERN_MODEL_LOCAL_PAGES_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "model/kv_cache.h"

namespace tern {

// Thread-compatible. Every call wants the same cache, whose sequences nobody else extends.
class LocalPages {
 public:
  // For a cache of `pages` pages, handed out in ascending order at first.
  explicit LocalPages(uint64_t pages);
  // In this order.
  explicit LocalPages(std::vector<uint32_t> pages);

  // Makes room for a sequence to hold `tokens` tokens in all. RESOURCE_EXHAUSTED, with nothing
  // changed, if too few pages are free.
  absl::Status Reserve(KvCache& cache, SequenceId sequence, uint64_t tokens);
  // Frees a sequence's pages. Does nothing if it is unknown.
  void Release(KvCache& cache, SequenceId sequence);

  uint64_t free_pages() const { return free_.size(); }

 private:
  std::vector<uint32_t> free_;  // the next one last
};

}  // namespace tern

#endif  // TERN_MODEL_LOCAL_PAGES_H_
