// SPDX-License-Identifier: MIT
// For measurements of what has to come from memory.
#ifndef TERN_BASE_CACHE_EVICTION_H_
#define TERN_BASE_CACHE_EVICTION_H_

#include <cstdint>
#include <span>

namespace tern {

// Drops bytes from the caches of all processors; they stay what they are. Does nothing on
// processors other than x86-64 and 64-bit ARM.
void EvictFromCaches(std::span<const uint8_t> bytes);

}  // namespace tern

#endif  // TERN_BASE_CACHE_EVICTION_H_
