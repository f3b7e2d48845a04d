// SPDX-License-Identifier: MIT
// Weights on their way into the cache before they are needed. Included by kernels alone, in whose
// anonymous namespaces it lives: see vector_ops_inl.h.
//
// A processor that sees a stream of reads fetches ahead by itself, but not far enough, and not into
// the next page of 4 KiB; and while a kernel multiplies what is in the cache by further tokens, it
// fetches nothing. On an Emerald Rapids core that is half of the time (docs/kernels.md).
//
// What is fetched may lie behind the last weight: that is no access.
#ifndef TERN_KERNELS_PREFETCH_INL_H_
#define TERN_KERNELS_PREFETCH_INL_H_

#include <cstddef>
#include <cstdint>

namespace tern {
namespace {

// For a kernel that goes over its weights once, from the beginning to the end: called for each line
// of 64 bytes as it is read.
inline void PrefetchStream(const uint8_t* line) { __builtin_prefetch(line + 4096, 0, 3); }

// For one that goes over some row groups for some tokens, then for others: into the L2 cache, a
// line of the row groups that follow, while it reads one of these.
inline void PrefetchNextGroups(const uint8_t* line) { __builtin_prefetch(line, 0, 2); }

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_PREFETCH_INL_H_
