// SPDX-License-Identifier: MIT
// Byte-pair merging (Sennrich et al., arXiv:1508.07909): the lowest-ranked pair first, the leftmost
// of equal ones, until no pair is in the table.
#ifndef TERN_TEXT_BYTE_PAIRS_H_
#define TERN_TEXT_BYTE_PAIRS_H_

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace tern {

// Thread-compatible: fill it, then share it.
class BytePairs {
 public:
  // The pair (left, right) becomes `merged`. Pairs rank in the order they are added; a pair added
  // again keeps its first rank.
  void Add(int32_t left, int32_t right, int32_t merged);

  // Merges `tokens` in place, in n log n steps for n tokens.
  void Merge(std::vector<int32_t>& tokens) const;

 private:
  void MergeFew(std::vector<int32_t>& tokens) const;
  void MergeMany(std::vector<int32_t>& tokens) const;

  struct Rule {
    uint32_t rank = 0;
    int32_t merged = 0;
  };

  static uint64_t Key(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }

  absl::flat_hash_map<uint64_t, Rule> rules_;
};

}  // namespace tern

#endif  // TERN_TEXT_BYTE_PAIRS_H_
