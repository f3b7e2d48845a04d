// SPDX-License-Identifier: MIT
#include "base/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"

namespace tern {
namespace {

// Polls before a waiter sleeps, some 25 us. Enough to bridge two phases of a layer; short enough
// that an idle pool costs nothing. On an oversubscribed machine the yields let the others finish
// first.
constexpr int kSpins = 2000;
constexpr int kYields = 4;

absl::Status PinTo(std::thread& thread, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  const int error = pthread_setaffinity_np(thread.native_handle(), sizeof(set), &set);
  if (error == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("cannot pin a compute thread to cpu ", cpu, ": ", std::strerror(error)));
}

}  // namespace

IndexRange SplitRange(size_t count, size_t multiple, size_t part, size_t parts) {
  const size_t units = (count + multiple - 1) / multiple;
  const auto cut = [&](size_t p) { return std::min(count, units * p / parts * multiple); };
  return {cut(part), cut(part + 1)};
}

absl::StatusOr<std::unique_ptr<ThreadPool>> ThreadPool::Create(const ThreadPoolOptions& options) {
  if (options.threads == 0) {
    return absl::InvalidArgumentError("threads: found 0, want at least 1");
  }
  for (const int cpu : options.cpus) {
    if (cpu < 0 || cpu >= CPU_SETSIZE) {
      return absl::InvalidArgumentError(
          absl::StrCat("cpu: found ", cpu, ", want 0 to ", CPU_SETSIZE - 1));
    }
  }
  std::unique_ptr<ThreadPool> pool(new ThreadPool(options));
  for (size_t i = 0; i < pool->threads_.size() && !options.cpus.empty(); ++i) {
    const absl::Status pinned = PinTo(pool->threads_[i], options.cpus[i % options.cpus.size()]);
    if (!pinned.ok()) return pinned;
  }
  return pool;
}

ThreadPool::ThreadPool(const ThreadPoolOptions& options) {
  threads_.reserve(options.threads);
  for (size_t i = 0; i < options.threads; ++i) threads_.emplace_back([this, i] { Loop(i); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_relaxed);
  begun_.Raise();
  for (std::thread& thread : threads_) thread.join();
}

// Either this sees the sleeper, or the sleeper, who looks at the count once more, sees the count.
void ThreadPool::Event::Raise() {
  count.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers.load(std::memory_order_seq_cst) > 0) count.notify_all();
}

void ThreadPool::Event::Sleep(uint64_t old) {
  sleepers.fetch_add(1, std::memory_order_seq_cst);
  count.wait(old, std::memory_order_seq_cst);
  sleepers.fetch_sub(1, std::memory_order_relaxed);
}

void ThreadPool::Event::Await(uint64_t old) {
  for (int i = 0; i < kSpins; ++i) {
    if (count.load(std::memory_order_acquire) != old) return;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  for (int i = 0; i < kYields; ++i) {
    if (count.load(std::memory_order_acquire) != old) return;
    sched_yield();
  }
  Sleep(old);
}

// The caller sleeps at once: polling, it would hold up the thread that is pinned where it runs.
void ThreadPool::Run(absl::FunctionRef<void(size_t)> body) {
  TERN_CHECK(running_.load() == 0);
  body_ = &body;
  const uint64_t ended = ended_.count.load(std::memory_order_relaxed);
  running_.store(size(), std::memory_order_relaxed);
  begun_.Raise();
  ended_.Sleep(ended);
}

// The count of syncs_ cannot move between the load and this thread's own arrival, and arrived_ is
// back at 0 before it lets anyone go on to the next Sync.
void ThreadPool::Sync() {
  const uint64_t ended = syncs_.count.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 < size()) {
    syncs_.Await(ended);
    return;
  }
  arrived_.store(0, std::memory_order_relaxed);
  syncs_.Raise();
}

void ThreadPool::Loop(size_t thread) {
  uint64_t seen = 0;
  while (true) {
    begun_.Await(seen);
    ++seen;
    if (stop_.load(std::memory_order_relaxed)) return;
    (*body_)(thread);
    if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) ended_.Raise();
  }
}

}  // namespace tern
