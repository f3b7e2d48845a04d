// SPDX-License-Identifier: MIT
#include "model/local_pages.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tern {
namespace {

std::vector<uint32_t> Ascending(uint64_t pages) {
  std::vector<uint32_t> order(pages);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

}  // namespace

LocalPages::LocalPages(uint64_t pages) : LocalPages(Ascending(pages)) {}

LocalPages::LocalPages(std::vector<uint32_t> pages) : free_(std::move(pages)) {
  std::reverse(free_.begin(), free_.end());
}

absl::Status LocalPages::Reserve(KvCache& cache, SequenceId sequence, uint64_t tokens) {
  const uint64_t held = cache.capacity(sequence) / kKvPageTokens;
  const uint64_t missing = std::max(KvPagesFor(tokens), held) - held;
  if (missing > free_.size()) {
    return absl::ResourceExhaustedError(absl::StrCat("KV cache: sequence ", sequence, " wants ",
                                                     missing, " pages more, found ", free_.size(),
                                                     " free of ", cache.pages()));
  }
  const std::vector<uint32_t> taken(free_.rbegin(),
                                    free_.rbegin() + static_cast<ptrdiff_t>(missing));
  free_.resize(free_.size() - missing);
  cache.Append(sequence, taken);
  return absl::OkStatus();
}

void LocalPages::Release(KvCache& cache, SequenceId sequence) {
  if (!cache.Knows(sequence)) return;
  const std::vector<uint32_t>& pages = cache.PageTable(sequence);
  free_.insert(free_.end(), pages.rbegin(), pages.rend());
  cache.Release(sequence);
}

}  // namespace tern
