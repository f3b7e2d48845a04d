// SPDX-License-Identifier: MIT
#include "cluster/tensor_shelf.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace tern {

void TensorShelf::Expect(const std::vector<std::string>& digests) {
  MutexLock lock(mu_);
  former_ = std::exchange(views_, {});
  expected_ = {digests.begin(), digests.end()};
}

void TensorShelf::Put(const std::string& digest, const TensorView& view) {
  MutexLock lock(mu_);
  expected_.erase(digest);
  if (view.is_mapped && view.owner != nullptr) views_[digest] = view;
}

void TensorShelf::ExpectNothing() {
  MutexLock lock(mu_);
  expected_.clear();
}

absl::StatusOr<TensorView> TensorShelf::Find(const std::string& digest) const {
  MutexLock lock(mu_);
  for (const Views* views : {&views_, &former_}) {
    const auto found = views->find(digest);
    if (found != views->end()) return found->second;
  }
  if (expected_.contains(digest)) {
    return absl::AbortedError(absl::StrCat("tensor ", digest, ": not here yet"));
  }
  return absl::NotFoundError(absl::StrCat("tensor ", digest, ": not here"));
}

}  // namespace tern
