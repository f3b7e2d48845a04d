// SPDX-License-Identifier: MIT
// The tensors that a worker can give to its peers: those that it gathered last, and the time
// before.
#ifndef TERN_CLUSTER_TENSOR_SHELF_H_
#define TERN_CLUSTER_TENSOR_SHELF_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "formats/tensor.h"

namespace tern {

// Holds mapped files open, and no memory. Thread-safe.
class TensorShelf {
 public:
  // Tensors with these digests will come; what came before the last Expect is let go.
  void Expect(const std::vector<std::string>& digests) ABSL_LOCKS_EXCLUDED(mu_);
  // One came. Only a mapped view that owns its file is kept: the others cost memory.
  void Put(const std::string& digest, const TensorView& view) ABSL_LOCKS_EXCLUDED(mu_);
  // Nothing more will come.
  void ExpectNothing() ABSL_LOCKS_EXCLUDED(mu_);

  // NOT_FOUND, or ABORTED for a tensor that is expected: ask again.
  absl::StatusOr<TensorView> Find(const std::string& digest) const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using Views = absl::flat_hash_map<std::string, TensorView>;

  mutable Mutex mu_;
  absl::flat_hash_set<std::string> expected_ ABSL_GUARDED_BY(mu_);
  Views views_ ABSL_GUARDED_BY(mu_);
  Views former_ ABSL_GUARDED_BY(mu_);
};

}  // namespace tern

#endif  // TERN_CLUSTER_TENSOR_SHELF_H_
