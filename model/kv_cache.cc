// SPDX-License-Identifier: MIT
#include "model/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"

namespace tern {
namespace {

// Of the keys, or the values, of one page, layer and head.
uint64_t HeadBytes(const ModelConfig& config, KvType type) {
  const uint64_t element_bytes = type == KvType::kF16 ? sizeof(uint16_t) : sizeof(float);
  return uint64_t{kKvPageTokens} * KvPaddedDim(config.head_dim) * element_bytes;
}

// A thread's part of a layer begins on a page of the machine's memory.
constexpr size_t kMemoryPageBytes = 4096;

}  // namespace

uint64_t KvPageBytes(const ModelConfig& config, uint32_t layers, KvType type) {
  return 2 * HeadBytes(config, type) * config.kv_heads * layers;
}

absl::StatusOr<KvCache> KvCache::Create(const ModelConfig& config, uint32_t layers, uint64_t pages,
                                        KvType type, ThreadPool* pool) {
  const uint64_t page_bytes = KvPageBytes(config, layers, type);
  const absl::Status no_memory = absl::ResourceExhaustedError(
      absl::StrCat("KV cache: no memory for ", pages, " pages of ", page_bytes, " bytes"));
  // A page table holds 32-bit page numbers.
  if (pages > std::numeric_limits<uint32_t>::max()) return no_memory;
  if (page_bytes > 0 && pages > std::numeric_limits<int64_t>::max() / page_bytes) return no_memory;
  KvCache cache;
  cache.type_ = type;
  cache.layers_ = layers;
  cache.pages_ = pages;
  cache.kv_heads_ = config.kv_heads;
  cache.head_bytes_ = HeadBytes(config, type);
  cache.data_ = AlignedBuffer<uint8_t>::TryAllocate(pages * page_bytes);
  if (cache.data_.size() != pages * page_bytes) return no_memory;
  cache.Zero(pool);
  cache.free_.resize(pages);
  for (uint64_t i = 0; i < pages; ++i) cache.free_[i] = static_cast<uint32_t>(pages - 1 - i);
  return cache;
}

void KvCache::Zero(ThreadPool* pool) {
  const size_t threads = pool == nullptr ? 1 : pool->size();
  const size_t layer_bytes = 2 * pages_ * head_bytes_ * kv_heads_;
  const auto zero = [&](size_t thread) {
    const IndexRange part = SplitRange(layer_bytes, kMemoryPageBytes, thread, threads);
    for (uint32_t layer = 0; layer < layers_ && part.size() > 0; ++layer) {
      std::memset(Keys(layer, 0, 0) + part.begin, 0, part.size());
    }
  };
  if (pool == nullptr) {
    zero(0);
  } else {
    pool->Run(zero);
  }
}

uint64_t KvCache::PagesMissing(SequenceId sequence, uint64_t tokens) const {
  const auto found = sequences_.find(sequence);
  const uint64_t held = found == sequences_.end() ? 0 : found->second.pages.size();
  return std::max(KvPagesFor(tokens), held) - held;
}

absl::Status KvCache::Reserve(SequenceId sequence, uint32_t tokens) {
  const uint64_t missing = PagesMissing(sequence, tokens);
  if (missing > free_.size()) {
    return absl::ResourceExhaustedError(absl::StrCat("KV cache: sequence ", sequence, " wants ",
                                                     missing, " pages more, found ", free_.size(),
                                                     " free of ", pages_));
  }
  std::vector<uint32_t>& held = sequences_[sequence].pages;
  held.insert(held.end(), free_.rbegin(), free_.rbegin() + static_cast<ptrdiff_t>(missing));
  free_.resize(free_.size() - missing);
  return absl::OkStatus();
}

void KvCache::Advance(SequenceId sequence, uint32_t tokens) {
  const auto found = sequences_.find(sequence);
  TERN_CHECK(found != sequences_.end());
  Sequence& advanced = found->second;
  TERN_CHECK(advanced.length + uint64_t{tokens} <= advanced.pages.size() * kKvPageTokens);
  advanced.length += tokens;
}

void KvCache::Release(SequenceId sequence) {
  const auto found = sequences_.find(sequence);
  if (found == sequences_.end()) return;
  free_.insert(free_.end(), found->second.pages.rbegin(), found->second.pages.rend());
  sequences_.erase(found);
}

uint32_t KvCache::length(SequenceId sequence) const {
  const auto found = sequences_.find(sequence);
  return found == sequences_.end() ? 0 : found->second.length;
}

const std::vector<uint32_t>& KvCache::PageTable(SequenceId sequence) const {
  const auto found = sequences_.find(sequence);
  TERN_CHECK(found != sequences_.end());
  return found->second.pages;
}

}  // namespace tern
