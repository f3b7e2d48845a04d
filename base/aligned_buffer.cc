// SPDX-License-Identifier: MIT
// Buffers of weights are of some hundred KiB to some MiB, and read from beginning to end: on huge
// pages a matrix product runs a quarter faster (docs/kernels.md). So that none of them lies half on
// small pages, or wastes half of a huge one, they share regions of huge pages.
#include "base/aligned_buffer.h"

#include <sys/mman.h>

#include <cstdint>

#include "base/mutex.h"

namespace tern {
namespace {

constexpr size_t kHugePageBytes = size_t{2} << 20;
constexpr size_t kRegionBytes = 16 * kHugePageBytes;
constexpr size_t kSharedFrom = size_t{128} << 10;  // bytes of buffers that share a region
constexpr size_t kSharedTo = kRegionBytes / 4;

// An address sanitizer watches buffers of malloc only.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kHasRegions = false;
#elif defined(__has_feature)
constexpr bool kHasRegions = !__has_feature(address_sanitizer);
#else
constexpr bool kHasRegions = true;
#endif

bool SharesRegion(size_t bytes) {
  return kHasRegions && bytes >= kSharedFrom && bytes <= kSharedTo;
}

// Stands at the beginning of its memory, which is aligned to its size.
struct alignas(kCacheLineBytes) Region {
  size_t used = sizeof(Region);  // bytes, from the beginning
  size_t buffers = 0;            // not yet freed
};

Region* NewRegion() {
  void* memory = std::aligned_alloc(kRegionBytes, kRegionBytes);
  if (memory == nullptr) return nullptr;
  // Only a wish: a kernel without huge pages refuses it, and nothing is lost.
  (void)madvise(memory, kRegionBytes, MADV_HUGEPAGE);
  return new (memory) Region;
}

// Hands out the memory of a region in order; a region is freed when all its buffers are. As malloc,
// one for the program.
class Regions {
 public:
  void* Allocate(size_t bytes) ABSL_LOCKS_EXCLUDED(mu_) {
    const size_t rounded = (bytes + kCacheLineBytes - 1) / kCacheLineBytes * kCacheLineBytes;
    MutexLock lock(mu_);
    if (current_ == nullptr || current_->used + rounded > kRegionBytes) {
      Region* region = NewRegion();
      if (region == nullptr) return nullptr;
      current_ = region;  // the one before is freed with its last buffer
    }
    uint8_t* data = reinterpret_cast<uint8_t*>(current_) + current_->used;
    current_->used += rounded;
    ++current_->buffers;
    return data;
  }

  void Free(void* data) ABSL_LOCKS_EXCLUDED(mu_) {
    const auto address = reinterpret_cast<uintptr_t>(data);
    auto* region = reinterpret_cast<Region*>(address / kRegionBytes * kRegionBytes);
    MutexLock lock(mu_);
    if (--region->buffers > 0) return;
    if (region == current_) {
      region->used = sizeof(Region);
    } else {
      std::free(region);
    }
  }

 private:
  Mutex mu_;
  Region* current_ ABSL_GUARDED_BY(mu_) = nullptr;
};

Regions& TheRegions() {
  static Regions* const regions = new Regions;  // never destroyed: buffers may outlive it
  return *regions;
}

}  // namespace

void* AllocateAligned(size_t bytes) {
  if (SharesRegion(bytes)) return TheRegions().Allocate(bytes);
  const bool is_large = bytes > kSharedTo;
  void* data = nullptr;
  if (posix_memalign(&data, is_large ? kHugePageBytes : kCacheLineBytes, bytes) != 0) {
    return nullptr;
  }
  if (is_large) (void)madvise(data, bytes / kHugePageBytes * kHugePageBytes, MADV_HUGEPAGE);
  return data;
}

void FreeAligned(void* data, size_t bytes) {
  if (data == nullptr) return;
  if (SharesRegion(bytes)) {
    TheRegions().Free(data);
  } else {
    std::free(data);
  }
}

}  // namespace tern
