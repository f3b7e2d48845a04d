// SPDX-License-Identifier: MIT
// A fixed-size array on a cache-line boundary, for vector loads; a large one on huge pages. Not
// initialised unless asked: the thread that first writes a page decides on which NUMA node it lies.
#ifndef TERN_BASE_ALIGNED_BUFFER_H_
#define TERN_BASE_ALIGNED_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace tern {

inline constexpr size_t kCacheLineBytes = 64;

// `bytes` on a boundary of kCacheLineBytes; from 4 MiB on, of 2 MiB, and asked to be huge pages,
// which save most misses of the TLB. Null if there is no memory. Freed by std::free.
void* AllocateAligned(size_t bytes);

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
    buffer.data_.reset(static_cast<T*>(AllocateAligned(size * sizeof(T))));
    buffer.size_ = buffer.data_ == nullptr ? 0 : size;
    return buffer;
  }

  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& operator[](size_t i) { return data_.get()[i]; }
  const T& operator[](size_t i) const { return data_.get()[i]; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  std::span<T> span() { return {data(), size_}; }
  std::span<const T> span() const { return {data(), size_}; }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T, Free> data_;
  size_t size_ = 0;
};

}  // namespace tern

#endif  // TERN_BASE_ALIGNED_BUFFER_H_
