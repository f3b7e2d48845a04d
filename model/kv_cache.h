// SPDX-License-Identifier: MIT
// Paged store of attention keys and values of many sequences, for a range of layers.
#ifndef TERN_MODEL_KV_CACHE_H_
#define TERN_MODEL_KV_CACHE_H_

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "base/aligned_buffer.h"
#include "model/config.h"

namespace tern {

using SequenceId = uint64_t;

enum class KvType : uint8_t { kF16, kF32 };

inline constexpr uint32_t kKvPageTokens = 32;

constexpr uint64_t KvPagesFor(uint64_t tokens) {
  return (tokens + kKvPageTokens - 1) / kKvPageTokens;
}

// Bytes of one page: keys and values of kKvPageTokens tokens for `layers` layers.
uint64_t KvPageBytes(const ModelConfig& config, uint32_t layers, KvType type);

// All memory is taken by Create; nothing is allocated per token but page-table entries.
// Thread-compatible: Reserve and Release must not run beside readers or each other.
class KvCache {
 public:
  // For layers [0, layers) of this stage, `pages` pages. RESOURCE_EXHAUSTED if there is no memory
  // for them.
  static absl::StatusOr<KvCache> Create(const ModelConfig& config, uint32_t layers, uint64_t pages,
                                        KvType type);

  // Makes room for a sequence to hold `tokens` tokens in all. RESOURCE_EXHAUSTED, with nothing
  // changed, if too few pages are free.
  absl::Status Reserve(SequenceId sequence, uint32_t tokens);
  // Pages that Reserve would take for the same arguments.
  uint64_t PagesMissing(SequenceId sequence, uint64_t tokens) const;
  // Counts `tokens` more tokens as written. REQUIRES room reserved.
  void Advance(SequenceId sequence, uint32_t tokens);
  // Frees a sequence's pages. Does nothing if there is none: a cancel may come twice.
  void Release(SequenceId sequence);

  // Tokens written so far; 0 for an unknown sequence.
  uint32_t length(SequenceId sequence) const;
  uint64_t pages() const { return pages_; }
  uint64_t free_pages() const { return free_.size(); }
  uint32_t layers() const { return layers_; }
  KvType type() const { return type_; }

  // A sequence's pages, in order of position. Valid until the next Reserve or Release. REQUIRES
  // that the sequence has reserved.
  const std::vector<uint32_t>& PageTable(SequenceId sequence) const;
  // [kKvPageTokens, kv_dim] elements of the cache's type.
  uint8_t* Keys(uint32_t layer, uint32_t page);
  uint8_t* Values(uint32_t layer, uint32_t page);
  const uint8_t* Keys(uint32_t layer, uint32_t page) const;
  const uint8_t* Values(uint32_t layer, uint32_t page) const;

 private:
  // Where the keys of a layer and page begin in data_; the values follow them.
  uint64_t Offset(uint32_t layer, uint32_t page) const {
    return (uint64_t{page} * layers_ + layer) * 2 * half_bytes_;
  }

  struct Sequence {
    std::vector<uint32_t> pages;
    uint32_t length = 0;
  };

  KvCache() = default;

  KvType type_ = KvType::kF16;
  uint32_t layers_ = 0;
  uint64_t pages_ = 0;
  uint64_t half_bytes_ = 0;  // of the keys, or the values, of one page and one layer
  AlignedBuffer<uint8_t> data_;
  std::vector<uint32_t> free_;
  absl::flat_hash_map<SequenceId, Sequence> sequences_;
};

}  // namespace tern

#endif  // TERN_MODEL_KV_CACHE_H_
