// SPDX-License-Identifier: MIT
// A pool of compute threads pinned to cores: the only place that makes compute threads.
#ifndef TERN_BASE_THREAD_POOL_H_
#define TERN_BASE_THREAD_POOL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/aligned_buffer.h"

namespace tern {

// The half-open interval [begin, end).
struct IndexRange {
  size_t begin = 0;
  size_t end = 0;
  size_t size() const { return end - begin; }
};

// Part `part` of `parts` of [0, count), cut at multiples of `multiple`. Static: the same arguments
// give the same ranges, on every machine.
IndexRange SplitRange(size_t count, size_t multiple, size_t part, size_t parts);

struct ThreadPoolOptions {
  size_t threads = 1;
  // Operating-system processor numbers; thread i is pinned to cpus[i % cpus.size()]. Empty: the
  // threads run wherever the process may.
  std::vector<int> cpus;
};

// Run() may be called from one thread at a time.
class ThreadPool {
 public:
  // INVALID_ARGUMENT for no threads; FAILED_PRECONDITION if a thread cannot be pinned to its cpu.
  static absl::StatusOr<std::unique_ptr<ThreadPool>> Create(const ThreadPoolOptions& options);

  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t size() const { return threads_.size(); }

  // Calls body(thread) once for each thread 0..size()-1, each on its own pinned thread, and returns
  // when all have returned. The caller only waits: it may be any thread.
  void Run(absl::FunctionRef<void(size_t thread)> body);

  // Within a body: returns when every thread of the pool has called it. What threads wrote before
  // is then visible to all. REQUIRES that each thread calls it equally often. Much cheaper than
  // another Run: the caller of Run sleeps on.
  void Sync();

 private:
  explicit ThreadPool(const ThreadPoolOptions& options);
  void Loop(size_t thread);

  // A count that threads wait for, on a cache line of its own: who counts arrivals must not take
  // the line away that others poll. Knows its sleepers, because libstdc++ does not: it hashes
  // addresses, and asks the kernel to wake whoever sleeps on another count of the same hash.
  struct alignas(kCacheLineBytes) Event {
    std::atomic<uint64_t> count{0};
    std::atomic<uint32_t> sleepers{0};

    void Raise();
    // Waits until the count differs from `old`.
    void Sleep(uint64_t old);
    // The same, but polls at first.
    void Await(uint64_t old);
  };

  std::vector<std::thread> threads_;
  std::atomic<bool> stop_{false};
  const absl::FunctionRef<void(size_t)>* body_ = nullptr;  // set before begun_ is raised

  Event begun_;                                              // Runs
  Event ended_;                                              // Runs
  Event syncs_;                                              // Syncs ended
  alignas(kCacheLineBytes) std::atomic<size_t> running_{0};  // threads still in the current Run
  alignas(kCacheLineBytes) std::atomic<size_t> arrived_{0};  // threads waiting in the current Sync
};

}  // namespace tern

#endif  // TERN_BASE_THREAD_POOL_H_
