// SPDX-License-Identifier: MIT
// Keeps what arrives, for a test to wait for.
#ifndef TERN_TESTS_SUPPORT_INBOX_H_
#define TERN_TESTS_SUPPORT_INBOX_H_

#include <cstddef>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace tern {

// Thread-safe.
template <typename T>
class Inbox {
 public:
  void Put(T item) {
    MutexLock lock(mu_);
    items_.push_back(std::move(item));
    changed_.NotifyAll();
  }
  void WaitForSize(size_t size) {
    MutexLock lock(mu_);
    while (items_.size() < size) changed_.Wait(mu_);
  }
  size_t size() {
    MutexLock lock(mu_);
    return items_.size();
  }
  T last() {
    MutexLock lock(mu_);
    return items_.empty() ? T() : items_.back();
  }
  std::vector<T>& items() { return items_; }  // once nothing is put any more

 private:
  Mutex mu_;
  CondVar changed_;
  std::vector<T> items_;  // guarded by mu_, but for items()
};

}  // namespace tern

#endif  // TERN_TESTS_SUPPORT_INBOX_H_
