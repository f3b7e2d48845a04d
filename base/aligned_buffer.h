// SPDX-License-Identifier: MIT
// A fixed-size array on a cache-line boundary, for vector loads; a large one on huge pages. Not
// initialised unless asked: the thread that first writes a page decides on which NUMA node it lies.
#ifndef TERN_BASE_ALIGNED_BUFFER_H_
#define TERN_BASE_ALIGNED_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace tern {

inline constexpr size_t kCacheLineBytes = 64;

// `bytes` on a boundary of kCacheLineBytes, from 128 KiB on in memory that is asked to be huge
// pages, which save most misses of the TLB. Null if there is no memory. Freed by FreeAligned with
// the same size. Thread-safe.
void* AllocateAligned(size_t bytes);
void FreeAligned(void* data, size_t bytes);

// Movable, not copyable. Thread-compatible.
template <typename T>
class AlignedBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  AlignedBuffer() = default;
  // Ends the program if there is no memory.
  explicit AlignedBuffer(size_t size) : AlignedBuffer(TryAllocate(size)) {
    if (size_ != size) std::abort();
  }

  static AlignedBuffer Zeroed(size_t size) {
    AlignedBuffer buffer(size);
    if (size > 0) std::memset(buffer.data(), 0, size * sizeof(T));
    return buffer;
  }

  // Empty if there is no memory for it.
  static AlignedBuffer TryAllocate(size_t size) {
    AlignedBuffer buffer;
    if (size == 0 || size > SIZE_MAX / sizeof(T)) return buffer;
    buffer.data_ = static_cast<T*>(AllocateAligned(size * sizeof(T)));
    buffer.size_ = buffer.data_ == nullptr ? 0 : size;
    return buffer;
  }

  ~AlignedBuffer() { FreeAligned(data_, size_ * sizeof(T)); }
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  std::span<T> span() { return {data(), size_}; }
  std::span<const T> span() const { return {data(), size_}; }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace tern

#endif  // TERN_BASE_ALIGNED_BUFFER_H_
