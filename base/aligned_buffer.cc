// SPDX-License-Identifier: MIT
#include "base/aligned_buffer.h"

#include <sys/mman.h>

namespace tern {
namespace {

constexpr size_t kHugePageBytes = size_t{2} << 20;
// Below, what the alignment may waste counts more than what huge pages save.
constexpr size_t kHugeFromBytes = 2 * kHugePageBytes;

}  // namespace

void* AllocateAligned(size_t bytes) {
  const size_t alignment = bytes < kHugeFromBytes ? kCacheLineBytes : kHugePageBytes;
  void* data = nullptr;
  if (posix_memalign(&data, alignment, bytes) != 0) return nullptr;
  // Only a wish: a kernel without huge pages refuses it, and nothing is lost.
  if (alignment == kHugePageBytes) {
    (void)madvise(data, bytes / kHugePageBytes * kHugePageBytes, MADV_HUGEPAGE);
  }
  return data;
}

}  // namespace tern
