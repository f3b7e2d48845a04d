// SPDX-License-Identifier: MIT
// Finds the weights of a stage, tensor by tensor: in a local model file, in the cache, at a peer,
// or else at the coordinator. Whatever the source, only bytes with the wanted SHA-256 are used.
#ifndef TERN_CLUSTER_SHARD_STORE_H_
#define TERN_CLUSTER_SHARD_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "base/thread_pool.h"
#include "cluster/cache_lease.h"
#include "cluster/messages.h"
#include "cluster/tensor_cache.h"
#include "cluster/tensor_shelf.h"
#include "formats/tensor.h"
#include "model/model_file.h"

namespace tern {

// Where a tensor came from, as LoadProgress says it.
inline constexpr char kFromLocalFile[] = "local file";
inline constexpr char kFromCache[] = "cache";
inline constexpr char kFromPeer[] = "a peer";
inline constexpr char kFromCoordinator[] = "coordinator";

struct ShardOptions {
  static constexpr uint64_t kDefaultCacheLimitBytes = uint64_t{50} << 30;

  // Model files that may hold some of the tensors; those that cannot be opened are passed over.
  std::vector<std::string> model_paths;
  std::string cache_directory;  // made when something must be fetched or a digest is kept
  uint64_t cache_limit_bytes = kDefaultCacheLimitBytes;  // of fetched tensors in it
  ThreadPool* pool = nullptr;    // hashes what has no known digest; null: this thread does
  TensorShelf* shelf = nullptr;  // for what is found; may be null
};

// Called now and then, with the share of bytes that are there, in [0, 1]; never twice at once.
using ShardProgress = std::function<void(float share, const char* source)>;

// Immutable, thread-safe. Tensors found in it live as long as the object, and their files stay in
// the cache so long.
class ShardStore final : public TensorSource {
 public:
  // Gathers `tensors`; those that peers may have come last, lest this wait for them. CANCELLED soon
  // after `cancelled` answers true; errors of TensorCache.
  static absl::StatusOr<std::unique_ptr<ShardStore>> Gather(const std::vector<TensorRef>& tensors,
                                                            const ShardOptions& options,
                                                            const TensorFetch& fetch,
                                                            const std::function<bool()>& cancelled,
                                                            const ShardProgress& progress = {});

  absl::StatusOr<TensorView> Find(absl::string_view name) const override;
  // The SHA-256 of the tensor's bytes.
  std::string ContentId(absl::string_view name) const override;

  const FetchedBytes& fetched() const { return fetched_; }

 private:
  class Gathering;
  friend class Gathering;

  // A tensor as it is mapped, or else the file that makes its bytes when they are asked for.
  struct Tensor {
    std::string sha256;
    TensorView view = {};
    const ModelFile* file = nullptr;
  };

  ShardStore() = default;

  std::unique_ptr<CacheLease> lease_;
  std::vector<std::unique_ptr<ModelFile>> files_;
  absl::flat_hash_map<std::string, Tensor> tensors_;
  FetchedBytes fetched_;
};

}  // namespace tern

#endif  // TERN_CLUSTER_SHARD_STORE_H_
