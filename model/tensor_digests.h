// SPDX-License-Identifier: MIT
// The SHA-256 of each tensor of a model on disk, without reading all of it each time.
#ifndef TERN_MODEL_TENSOR_DIGESTS_H_
#define TERN_MODEL_TENSOR_DIGESTS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/thread_pool.h"
#include "formats/tensor.h"

namespace tern {

// Called after each tensor that was hashed, with the bytes hashed so far, never twice at once; an
// error ends the hashing, which returns it.
using HashProgress = std::function<absl::Status(uint64_t bytes)>;

// Calls body(i) for i in [0, count): on all threads of `pool`, in any order, or, without one, here.
// Returns one of the errors, if there are any, after which no further call begins.
absl::Status ForEach(ThreadPool* pool, size_t count,
                     const std::function<absl::Status(size_t)>& body);

// Immutable, thread-safe.
class TensorDigests {
 public:
  // Remembers nothing.
  TensorDigests() = default;
  // For the model at `path`, which must be opened after this: what was hashed then is kept in
  // `cache_directory` (unless that is empty) and not read again until the model's files change.
  TensorDigests(std::string path, std::string cache_directory);

  // The digests of `tensors`, which `source` has as they are described, in order. The threads of
  // `pool`, if there is one, hash whole tensors, the largest first. Errors of `source` and of
  // `progress`.
  absl::StatusOr<std::vector<std::string>> Of(const TensorSource& source,
                                              std::span<const TensorInfo> tensors,
                                              ThreadPool* pool = nullptr,
                                              const HashProgress& progress = {}) const;

 private:
  std::string path_;
  std::string cache_directory_;
  std::optional<std::string> state_;  // of the files, before they were opened
};

}  // namespace tern

#endif  // TERN_MODEL_TENSOR_DIGESTS_H_
