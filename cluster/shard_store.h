// SPDX-License-Identifier: MIT
// Finds the weights of a stage, tensor by tensor: in a local model file, in the cache, or else from
// the coordinator. Whatever the source, only bytes with the wanted SHA-256 are used.
#ifndef TERN_CLUSTER_SHARD_STORE_H_
#define TERN_CLUSTER_SHARD_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "cluster/messages.h"
#include "cluster/tensor_cache.h"
#include "formats/tensor.h"
#include "model/model_file.h"

namespace tern {

// Where a tensor came from, as LoadProgress says it.
inline constexpr char kFromLocalFile[] = "local file";
inline constexpr char kFromCache[] = "cache";
inline constexpr char kFromCoordinator[] = "coordinator";

struct ShardOptions {
  // Model files that may hold some of the tensors; those that cannot be opened are passed over.
  std::vector<std::string> model_paths;
  std::string cache_directory;  // made when something must be fetched
};

// Called after each tensor, with the share of bytes that are there, in [0, 1].
using ShardProgress = std::function<void(float share, const char* source)>;

// Immutable, thread-safe. Tensors found in it live as long as the object.
class ShardStore final : public TensorSource {
 public:
  // Gathers `tensors`. CANCELLED soon after `cancelled` answers true; errors of TensorCache.
  static absl::StatusOr<std::unique_ptr<ShardStore>> Gather(const std::vector<TensorRef>& tensors,
                                                            const ShardOptions& options,
                                                            const TensorFetch& fetch,
                                                            const std::function<bool()>& cancelled,
                                                            const ShardProgress& progress = {});

  absl::StatusOr<TensorView> Find(absl::string_view name) const override;

  uint64_t bytes_fetched() const { return bytes_fetched_; }

 private:
  ShardStore() = default;

  // Adds one tensor and returns where it was found.
  absl::StatusOr<const char*> Add(const TensorRef& tensor, const ShardOptions& options,
                                  const TensorFetch& fetch);
  bool AddFromFiles(const TensorRef& tensor);
  bool AddFromCache(const TensorRef& tensor, const TensorCache& cache);

  std::vector<std::unique_ptr<ModelFile>> files_;
  std::vector<std::unique_ptr<MappedFile>> cached_;
  absl::flat_hash_map<std::string, TensorView> tensors_;
  uint64_t bytes_fetched_ = 0;
};

}  // namespace tern

#endif  // TERN_CLUSTER_SHARD_STORE_H_
