// SPDX-License-Identifier: MIT
// Buffers of weights are of some hundred KiB to some MiB, and read from beginning to end: on huge
// pages a matrix product runs a quarter faster (docs/kernels.md). So that none of them lies half on
// small pages, or wastes half of a huge one, they share regions of huge pages.
#include "base/aligned_buffer.h"

#include <sys/mman.h>

#include <cstdint>
#include <iterator>
#include <map>

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

void* NewRegion() {
  void* memory = std::aligned_alloc(kRegionBytes, kRegionBytes);
  // Only a wish: a kernel without huge pages refuses it, and nothing is lost.
  if (memory != nullptr) (void)madvise(memory, kRegionBytes, MADV_HUGEPAGE);
  return memory;
}

// What a buffer takes of a region.
size_t Rounded(size_t bytes) {
  return (bytes + kCacheLineBytes - 1) / kCacheLineBytes * kCacheLineBytes;
}

// Gives the huge pages that lie wholly in the buffer back to the system.
void ReleasePages(uintptr_t begin, size_t bytes) {
  const uintptr_t first = (begin + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
  const uintptr_t end = (begin + bytes) / kHugePageBytes * kHugePageBytes;
  if (first < end) (void)madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
}

// Divides regions among buffers: each gets the smallest hole that it fits, so that the buffers of
// one step lie where those of the step before did, and not each on pages that nobody touched yet.
// A region without buffers is freed, but for one. As malloc, one for the program.
class Regions {
 public:
  void* Allocate(size_t bytes) ABSL_LOCKS_EXCLUDED(mu_) {
    const size_t taken = Rounded(bytes);
    MutexLock lock(mu_);
    auto hole = SmallestHole(taken);
    if (hole == holes_.end()) {
      void* region = NewRegion();
      if (region == nullptr) return nullptr;
      hole = holes_.emplace(reinterpret_cast<uintptr_t>(region), kRegionBytes).first;
    }
    const auto [begin, size] = *hole;
    if (size == kRegionBytes) has_spare_ = false;  // it was the only one
    holes_.erase(hole);
    if (size > taken) holes_.emplace(begin + taken, size - taken);
    return reinterpret_cast<void*>(begin);
  }

  void Free(void* data, size_t bytes) ABSL_LOCKS_EXCLUDED(mu_) {
    const auto begin = reinterpret_cast<uintptr_t>(data);
    ReleasePages(begin, bytes);
    MutexLock lock(mu_);
    const auto hole = AddHole(begin, Rounded(bytes));
    if (hole->second < kRegionBytes) return;
    if (has_spare_) {
      std::free(reinterpret_cast<void*>(hole->first));
      holes_.erase(hole);
    }
    has_spare_ = true;
  }

 private:
  using Holes = std::map<uintptr_t, size_t>;  // bytes by address

  Holes::iterator SmallestHole(size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    auto smallest = holes_.end();
    for (auto hole = holes_.begin(); hole != holes_.end(); ++hole) {
      if (hole->second < bytes) continue;
      if (smallest == holes_.end() || hole->second < smallest->second) smallest = hole;
    }
    return smallest;
  }

  // As one with those that it touches in its region.
  Holes::iterator AddHole(uintptr_t begin, size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    auto next = holes_.lower_bound(begin);
    if (next != holes_.end() && next->first == begin + bytes && next->first % kRegionBytes != 0) {
      bytes += next->second;
      next = holes_.erase(next);
    }
    if (next != holes_.begin() && begin % kRegionBytes != 0) {
      const auto before = std::prev(next);
      if (before->first + before->second == begin) {
        before->second += bytes;
        return before;
      }
    }
    return holes_.emplace_hint(next, begin, bytes);
  }

  Mutex mu_;
  Holes holes_ ABSL_GUARDED_BY(mu_);
  bool has_spare_ ABSL_GUARDED_BY(mu_) = false;  // a region without buffers
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
    TheRegions().Free(data, bytes);
  } else {
    std::free(data);
  }
}

}  // namespace tern
