// SPDX-License-Identifier: MIT
#include "model/kv_cache.h"

#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"

namespace tern {
namespace {

// Of the keys, or the values, of one page, layer and head.
uint64_t HeadBytes(const ModelConfig& config, KvType type) {
  const uint64_t elements = uint64_t{kKvPageTokens} * KvPaddedDim(config.head_dim);
  switch (type) {
    case KvType::kF16:
      return elements * sizeof(uint16_t);
    case KvType::kF32:
      return elements * sizeof(float);
    case KvType::kQ8:
      break;
  }
  return elements * sizeof(int8_t) + kKvPageTokens * sizeof(float);
}

// A thread's part of a layer begins on a page of the machine's memory.
constexpr size_t kMemoryPageBytes = 4096;

}  // namespace

uint64_t KvTokensFor(uint64_t asked, uint32_t context) {
  if (asked >= context) return asked;
  LogWarning("KV cache: found ", asked, " tokens, want the context at least, so it has ", context);
  return context;
}

const char* KvTypeName(KvType type) {
  switch (type) {
    case KvType::kF16:
      return "f16";
    case KvType::kF32:
      return "f32";
    case KvType::kQ8:
      break;
  }
  return "q8";
}

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

void KvCache::Append(SequenceId sequence, std::span<const uint32_t> pages) {
  for (const uint32_t page : pages) TERN_CHECK(page < pages_);
  std::vector<uint32_t>& table = sequences_[sequence].pages;
  table.insert(table.end(), pages.begin(), pages.end());
}

void KvCache::AppendAll(SequenceId sequence) {
  TERN_CHECK(sequences_.empty());
  std::vector<uint32_t>& table = sequences_[sequence].pages;
  table.resize(pages_);
  std::iota(table.begin(), table.end(), 0);
}

void KvCache::Advance(SequenceId sequence, uint32_t tokens) {
  const auto found = sequences_.find(sequence);
  TERN_CHECK(found != sequences_.end());
  Sequence& advanced = found->second;
  TERN_CHECK(advanced.length + uint64_t{tokens} <= advanced.pages.size() * kKvPageTokens);
  advanced.length += tokens;
}

void KvCache::Release(SequenceId sequence) { sequences_.erase(sequence); }

uint32_t KvCache::length(SequenceId sequence) const {
  const auto found = sequences_.find(sequence);
  return found == sequences_.end() ? 0 : found->second.length;
}

uint64_t KvCache::capacity(SequenceId sequence) const {
  const auto found = sequences_.find(sequence);
  return found == sequences_.end() ? 0 : found->second.pages.size() * uint64_t{kKvPageTokens};
}

const std::vector<uint32_t>& KvCache::PageTable(SequenceId sequence) const {
  const auto found = sequences_.find(sequence);
  TERN_CHECK(found != sequences_.end());
  return found->second.pages;
}

}  // namespace tern
