// SPDX-License-Identifier: MIT
#include "cluster/shard_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "cluster/manifest.h"

namespace tern {
namespace {

// `fetch` that stops when `cancelled` answers true.
TensorFetch Cancellable(const TensorFetch& fetch, const std::function<bool()>& cancelled) {
  return [&](const std::string& sha256, uint64_t offset, const ByteSink& sink) {
    return fetch(sha256, offset, [&](std::span<const uint8_t> piece) {
      return cancelled() ? absl::CancelledError("no longer wanted") : sink(piece);
    });
  };
}

}  // namespace

absl::StatusOr<std::unique_ptr<ShardStore>> ShardStore::Gather(
    const std::vector<TensorRef>& tensors, const ShardOptions& options, const TensorFetch& fetch,
    const std::function<bool()>& cancelled, const ShardProgress& progress) {
  std::unique_ptr<ShardStore> store(new ShardStore);
  for (const std::string& path : options.model_paths) {
    absl::StatusOr<std::unique_ptr<ModelFile>> file = ModelFile::Open(path);
    if (file.ok()) {
      store->files_.push_back(std::move(*file));
    } else if (!absl::IsNotFound(file.status())) {
      LogWarning("model file passed over: ", file.status().message());
    }
  }
  uint64_t total_bytes = 0;
  for (const TensorRef& tensor : tensors) total_bytes += tensor.info.bytes;
  uint64_t done_bytes = 0;
  const TensorFetch cancellable = Cancellable(fetch, cancelled);
  for (const TensorRef& tensor : tensors) {
    if (cancelled()) return absl::CancelledError("no longer wanted");
    TERN_ASSIGN_OR_RETURN(const char* source, store->Add(tensor, options, cancellable));
    done_bytes += tensor.info.bytes;
    if (progress)
      progress(static_cast<float>(done_bytes) / static_cast<float>(total_bytes), source);
  }
  return store;
}

absl::StatusOr<const char*> ShardStore::Add(const TensorRef& tensor, const ShardOptions& options,
                                            const TensorFetch& fetch) {
  if (AddFromFiles(tensor)) return kFromLocalFile;
  TERN_ASSIGN_OR_RETURN(const TensorCache cache, TensorCache::Open(options.cache_directory));
  if (AddFromCache(tensor, cache)) return kFromCache;
  TERN_ASSIGN_OR_RETURN(const uint64_t fetched, cache.Store(tensor, fetch));
  bytes_fetched_ += fetched;
  if (AddFromCache(tensor, cache)) return kFromCoordinator;
  return absl::DataLossError(absl::StrCat(options.cache_directory, "/", tensor.sha256,
                                          ": cannot be read back after it was written"));
}

bool ShardStore::AddFromFiles(const TensorRef& tensor) {
  for (const std::unique_ptr<ModelFile>& file : files_) {
    const absl::StatusOr<TensorView> view = file->tensors().Find(tensor.info.name);
    if (!view.ok() || !SameTensor(view->info, tensor.info)) continue;
    if (Sha256Hex(view->data) != tensor.sha256) continue;
    tensors_[tensor.info.name] = *view;
    return true;
  }
  return false;
}

bool ShardStore::AddFromCache(const TensorRef& tensor, const TensorCache& cache) {
  absl::StatusOr<std::unique_ptr<MappedFile>> file = cache.Lookup(tensor);
  if (!file.ok()) return false;
  tensors_[tensor.info.name] = {.info = tensor.info, .data = (*file)->bytes()};
  cached_.push_back(std::move(*file));
  return true;
}

absl::StatusOr<TensorView> ShardStore::Find(absl::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    return absl::NotFoundError(absl::StrCat("tensor ", name, ": not among those of this stage"));
  }
  return found->second;
}

}  // namespace tern
