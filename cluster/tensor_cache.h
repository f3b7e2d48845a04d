// SPDX-License-Identifier: MIT
// A directory of tensors, each in a file named by the SHA-256 of its bytes. Several processes may
// share one. Nothing in it is trusted: every tensor is hashed when it is read.
#ifndef TERN_CLUSTER_TENSOR_CACHE_H_
#define TERN_CLUSTER_TENSOR_CACHE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mapped_file.h"
#include "cluster/messages.h"

namespace tern {

// Takes the next piece of a tensor. An error stops the transfer, which returns it.
using ByteSink = std::function<absl::Status(std::span<const uint8_t>)>;

// Gives the stored bytes of the tensor with this digest to `sink`, from byte `offset` to the end,
// in order. UNAVAILABLE if the connection breaks, NOT_FOUND if the other end has no such tensor.
using TensorFetch =
    std::function<absl::Status(const std::string& sha256, uint64_t offset, const ByteSink& sink)>;

// Thread-compatible.
class TensorCache {
 public:
  // Opens the directory, or creates it and its parents, for the user alone. FAILED_PRECONDITION
  // with the system's reason if that cannot be.
  static absl::StatusOr<TensorCache> Open(const std::string& directory);

  // The bytes of a tensor. NOT_FOUND if they are not here; a file that is damaged is removed, with
  // a line in the log, and counts as not here.
  absl::StatusOr<std::unique_ptr<MappedFile>> Lookup(const TensorRef& tensor) const;

  // Fetches a tensor into the directory; returns how many bytes were fetched. A transfer that was
  // cut off before, by this process or another, is resumed where it stopped. Errors of `fetch`;
  // DATA_LOSS if the bytes have another digest; RESOURCE_EXHAUSTED or UNKNOWN with the system's
  // reason if they cannot be written.
  absl::StatusOr<uint64_t> Store(const TensorRef& tensor, const TensorFetch& fetch) const;

 private:
  explicit TensorCache(std::string directory) : directory_(std::move(directory)) {}

  std::string PathOf(const TensorRef& tensor) const;

  std::string directory_;
};

}  // namespace tern

#endif  // TERN_CLUSTER_TENSOR_CACHE_H_
