// SPDX-License-Identifier: MIT
// Paged store of attention keys and values of many sequences, for a range of layers.
#ifndef TERN_MODEL_KV_CACHE_H_
#define TERN_MODEL_KV_CACHE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/attention.h"
#include "model/config.h"

namespace tern {

using SequenceId = uint64_t;

// q8: 8 bits an element and a scale for each token of a head (kernels/attention.h).
enum class KvType : uint8_t { kF16, kF32, kQ8 };

// "f16", "f32" or "q8".
const char* KvTypeName(KvType type);

inline constexpr uint32_t kKvPageTokens = kAttentionPageTokens;

constexpr uint64_t KvPagesFor(uint64_t tokens) {
  return (tokens + kKvPageTokens - 1) / kKvPageTokens;
}

// The tokens that a cache has room for which was asked to have it for `asked`: those of a context
// at least. Says so in the log where that is more.
uint64_t KvTokensFor(uint64_t asked, uint32_t context);

// Columns of a head in the cache: head_dim rounded up to whole vectors.
constexpr size_t KvPaddedDim(size_t head_dim) {
  return (head_dim + kAttentionLanes - 1) / kAttentionLanes * kAttentionLanes;
}

// Bytes of one page: keys and values of kKvPageTokens tokens for `layers` layers.
uint64_t KvPageBytes(const ModelConfig& config, uint32_t layers, KvType type);

// Keys and values lie in pages; a sequence has a table of pages and a length. Who may use which
// page is not decided here: the coordinator names the pages of a cluster's sequences, the same on
// every stage (coordinator/page_pool.h), and LocalPages those of a process by itself
// (local_pages.h). A page may be in the tables of several sequences that begin with the same
// tokens, once it is full.
//
// Every layer has its heads one after the other, each with the keys of all pages, then the values:
// a sequence that grew alone is read from beginning to end (kernels/attention.h has a page's
// layout). All memory is taken by Create; nothing is allocated per token but page-table entries.
// Thread-compatible: Append and Release must not run beside readers or each other.
class KvCache {
 public:
  // For layers [0, layers) of this stage, `pages` pages of zeros. The threads of `pool`, if there
  // is one, write them, each the part of every layer that it will attend to. RESOURCE_EXHAUSTED if
  // there is no memory for them.
  static absl::StatusOr<KvCache> Create(const ModelConfig& config, uint32_t layers, uint64_t pages,
                                        KvType type, ThreadPool* pool = nullptr);

  // Appends pages to a sequence's table; begins the sequence if it is unknown. REQUIRES that each
  // is less than pages().
  void Append(SequenceId sequence, std::span<const uint32_t> pages);
  // Gives a sequence that is alone in the cache every page there is.
  void AppendAll(SequenceId sequence);
  // Counts `tokens` more tokens as there: written, or in pages shared with a sequence before.
  // REQUIRES pages for them.
  void Advance(SequenceId sequence, uint32_t tokens);
  // Forgets a sequence's table. Does nothing if there is none: a cancel may come twice.
  void Release(SequenceId sequence);

  // Tokens there so far, and tokens that the sequence's pages hold at most; 0 for an unknown one.
  uint32_t length(SequenceId sequence) const;
  uint64_t capacity(SequenceId sequence) const;
  bool Knows(SequenceId sequence) const { return sequences_.contains(sequence); }
  size_t sequences() const { return sequences_.size(); }
  uint64_t pages() const { return pages_; }
  uint32_t layers() const { return layers_; }
  KvType type() const { return type_; }

  // A sequence's pages, in order of position. Valid until the next Append or Release. REQUIRES that
  // the sequence is known.
  const std::vector<uint32_t>& PageTable(SequenceId sequence) const;
  // One head's part of a page, in elements of the cache's type: keys [head_dim, kKvPageTokens] and
  // values [kKvPageTokens, KvPaddedDim(head_dim)].
  uint8_t* Keys(uint32_t layer, uint32_t kv_head, uint32_t page) {
    return data_.data() + Offset(layer, kv_head, page);
  }
  uint8_t* Values(uint32_t layer, uint32_t kv_head, uint32_t page) {
    return Keys(layer, kv_head, page) + pages_ * head_bytes_;
  }
  const uint8_t* Keys(uint32_t layer, uint32_t kv_head, uint32_t page) const {
    return data_.data() + Offset(layer, kv_head, page);
  }
  const uint8_t* Values(uint32_t layer, uint32_t kv_head, uint32_t page) const {
    return Keys(layer, kv_head, page) + pages_ * head_bytes_;
  }

 private:
  // Where the keys of a layer, head and page begin in data_.
  uint64_t Offset(uint32_t layer, uint32_t kv_head, uint32_t page) const {
    return ((uint64_t{layer} * kv_heads_ + kv_head) * 2 * pages_ + page) * head_bytes_;
  }
  void Zero(ThreadPool* pool);

  struct Sequence {
    std::vector<uint32_t> pages;
    uint32_t length = 0;
  };

  KvCache() = default;

  KvType type_ = KvType::kF16;
  uint32_t layers_ = 0;
  uint64_t pages_ = 0;
  uint32_t kv_heads_ = 0;
  uint64_t head_bytes_ = 0;  // of the keys, or the values, of one page, layer and head
  AlignedBuffer<uint8_t> data_;
  absl::flat_hash_map<SequenceId, Sequence> sequences_;
};

}  // namespace tern

#endif  // TERN_MODEL_KV_CACHE_H_
