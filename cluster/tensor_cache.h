// SPDX-License-Identifier: MIT
// A directory of tensors, each in a file named by the SHA-256 of its bytes. Several processes may
// share one. Nothing in it is trusted: every tensor is hashed when it is first read, and again when
// its file has changed since.
#ifndef TERN_CLUSTER_TENSOR_CACHE_H_
#define TERN_CLUSTER_TENSOR_CACHE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cluster/messages.h"
#include "formats/tensor.h"

namespace tern {

// Takes the next piece of a tensor. An error stops the transfer, which returns it.
using ByteSink = std::function<absl::Status(std::span<const uint8_t>)>;

// Gives the stored bytes of the tensor with this digest to `sink`, from byte `offset` to the end,
// in order. `source` is the data address of a worker; empty: the coordinator. UNAVAILABLE if the
// connection breaks, NOT_FOUND if the other end has no such tensor, ABORTED if it does not have it
// yet: ask again.
using TensorFetch = std::function<absl::Status(const std::string& source, const std::string& sha256,
                                               uint64_t offset, const ByteSink& sink)>;

// Bytes that came from outside.
struct FetchedBytes {
  uint64_t from_coordinator = 0;
  uint64_t from_peers = 0;

  uint64_t total() const { return from_coordinator + from_peers; }
};

// Immutable, thread-safe, but for two calls at once for one tensor.
class TensorCache {
 public:
  // Opens the folder `tensors` of a cache directory, or creates it and its parents, for the user
  // alone. FAILED_PRECONDITION with the system's reason if that cannot be.
  static absl::StatusOr<TensorCache> Open(const std::string& directory);

  // A tensor, mapped; the view owns it. NOT_FOUND if it is not here; a file that is damaged is
  // removed, with a line in the log, and counts as not here.
  absl::StatusOr<TensorView> Lookup(const TensorRef& tensor) const;

  // Fetches a tensor into the directory: from its peers in order, then from the coordinator. A
  // source that fails, or sends wrong bytes, is passed over with a line in the log, and the next
  // goes on where it stopped. So does a later call after one that failed, of this process or
  // another. `fetched` counts what came. Errors of the last source; DATA_LOSS if its bytes have
  // another digest; CANCELLED at once if a fetch says so; RESOURCE_EXHAUSTED or UNKNOWN with the
  // system's reason if they cannot be written.
  absl::Status Store(const TensorRef& tensor, const TensorFetch& fetch,
                     FetchedBytes& fetched) const;

  // Removes the tensors that were not used for longest until all together are at most
  // `limit_bytes`, but none that a CacheLease of the cache directory names.
  void Trim(uint64_t limit_bytes) const;

 private:
  explicit TensorCache(std::string cache_directory)
      : cache_directory_(std::move(cache_directory)), directory_(cache_directory_ + "/tensors") {}

  std::string PathOf(const TensorRef& tensor) const;

  std::string cache_directory_;
  std::string directory_;
};

}  // namespace tern

#endif  // TERN_CLUSTER_TENSOR_CACHE_H_
