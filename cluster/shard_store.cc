// SPDX-License-Identifier: MIT
#include "cluster/shard_store.h"

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "cluster/manifest.h"
#include "model/tensor_digests.h"

namespace tern {
namespace {

// How long to wait before a peer that does not have a tensor yet is asked again.
constexpr absl::Duration kPeerPause = absl::Milliseconds(50);
// Progress is told after so many fetched bytes, though a tensor may not be complete.
constexpr uint64_t kProgressBytes = 8 << 20;

void Pause(absl::Duration pause) {
  Mutex mu;
  CondVar never;
  MutexLock lock(mu);
  never.WaitFor(mu, pause);
}

}  // namespace

// One call of Gather.
class ShardStore::Gathering {
 public:
  Gathering(ShardStore& store, const ShardOptions& options, const TensorFetch& fetch,
            const std::function<bool()>& cancelled, const ShardProgress& progress)
      : store_(store),
        options_(options),
        fetch_(fetch),
        cancelled_(cancelled),
        progress_(progress) {}

  absl::Status Run(const std::vector<TensorRef>& tensors);

 private:
  absl::Status TakeFromFile(const std::string& path);
  absl::Status TakeFromCache();
  absl::Status FetchRest();
  absl::Status FetchOne(const TensorCache& cache, const TensorRef& tensor);
  absl::Status FetchOrWait(const std::string& source, const std::string& sha256, uint64_t offset,
                           const ByteSink& sink);

  absl::Status CheckWanted() const {
    return cancelled_() ? absl::CancelledError("no longer wanted") : absl::OkStatus();
  }
  // Adds a tensor that was found; `missing_` still has it.
  void Add(const TensorRef& tensor, Tensor found, const char* source);
  // Removes from `missing_` what was found.
  void DropFound();
  void Tell(uint64_t more_bytes, const char* source);

  ShardStore& store_;
  const ShardOptions& options_;
  const TensorFetch& fetch_;
  const std::function<bool()>& cancelled_;
  const ShardProgress& progress_;
  std::vector<const TensorRef*> missing_;
  uint64_t total_bytes_ = 0;
  uint64_t done_bytes_ = 0;  // of tensors that are there
};

absl::Status ShardStore::Gathering::Run(const std::vector<TensorRef>& tensors) {
  std::vector<std::string> digests;
  for (const TensorRef& tensor : tensors) {
    missing_.push_back(&tensor);
    total_bytes_ += tensor.info.bytes;
    digests.push_back(tensor.sha256);
  }
  if (options_.shelf != nullptr) options_.shelf->Expect(digests);
  const absl::Cleanup expect_nothing = [this] {
    if (options_.shelf != nullptr) options_.shelf->ExpectNothing();
  };
  for (const std::string& path : options_.model_paths) TERN_RETURN_IF_ERROR(TakeFromFile(path));
  if (missing_.empty()) return absl::OkStatus();
  TERN_ASSIGN_OR_RETURN(store_.lease_, CacheLease::Take(options_.cache_directory, digests));
  TERN_RETURN_IF_ERROR(TakeFromCache());
  return FetchRest();
}

absl::Status ShardStore::Gathering::TakeFromFile(const std::string& path) {
  TERN_RETURN_IF_ERROR(CheckWanted());
  const TensorDigests known(path, options_.cache_directory);
  absl::StatusOr<std::unique_ptr<ModelFile>> file = ModelFile::Open(path);
  if (!file.ok()) {
    if (!absl::IsNotFound(file.status())) {
      LogWarning("model file passed over: ", file.status().message());
    }
    return absl::OkStatus();
  }
  std::vector<const TensorRef*> candidates;
  std::vector<Tensor> tensors;
  std::vector<TensorInfo> infos;
  for (const TensorRef* tensor : missing_) {
    const absl::StatusOr<TensorView> view = (*file)->tensors().Find(tensor->info.name);
    if (!view.ok() || !SameTensor(view->info, tensor->info)) continue;
    candidates.push_back(tensor);
    infos.push_back(tensor->info);
    tensors.push_back({.sha256 = tensor->sha256});
    if (view->is_mapped) {
      tensors.back().view = *view;
    } else {
      tensors.back().file = file->get();
    }
  }
  const auto hashed = [this](uint64_t) {
    Tell(0, kFromLocalFile);
    return CheckWanted();
  };
  TERN_ASSIGN_OR_RETURN(const std::vector<std::string> digests,
                        known.Of((*file)->tensors(), infos, options_.pool, hashed));
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (digests[i] != candidates[i]->sha256) continue;
    Add(*candidates[i], std::move(tensors[i]), kFromLocalFile);
  }
  DropFound();
  store_.files_.push_back(*std::move(file));
  return absl::OkStatus();
}

absl::Status ShardStore::Gathering::TakeFromCache() {
  TERN_ASSIGN_OR_RETURN(const TensorCache cache, TensorCache::Open(options_.cache_directory));
  Mutex mu;
  const auto look_up = [&](size_t i) -> absl::Status {
    TERN_RETURN_IF_ERROR(CheckWanted());
    const TensorRef& tensor = *missing_[i];
    absl::StatusOr<TensorView> view = cache.Lookup(tensor);
    MutexLock lock(mu);
    if (view.ok()) Add(tensor, {.sha256 = tensor.sha256, .view = *std::move(view)}, kFromCache);
    return absl::OkStatus();
  };
  TERN_RETURN_IF_ERROR(ForEach(options_.pool, missing_.size(), look_up));
  DropFound();
  return absl::OkStatus();
}

absl::Status ShardStore::Gathering::FetchRest() {
  if (missing_.empty()) return absl::OkStatus();
  TERN_ASSIGN_OR_RETURN(const TensorCache cache, TensorCache::Open(options_.cache_directory));
  uint64_t bytes = 0;
  for (const TensorRef* tensor : missing_) bytes += tensor->info.bytes;
  cache.Trim(options_.cache_limit_bytes - std::min(bytes, options_.cache_limit_bytes));
  std::stable_sort(missing_.begin(), missing_.end(), [](const TensorRef* a, const TensorRef* b) {
    return a->peers.empty() && !b->peers.empty();
  });
  for (const TensorRef* tensor : missing_) TERN_RETURN_IF_ERROR(FetchOne(cache, *tensor));
  return absl::OkStatus();
}

absl::Status ShardStore::Gathering::FetchOne(const TensorCache& cache, const TensorRef& tensor) {
  TERN_RETURN_IF_ERROR(CheckWanted());
  const uint64_t peers_before = store_.fetched_.from_peers;
  const auto fetch = [this](const std::string& source, const std::string& sha256, uint64_t offset,
                            const ByteSink& sink) {
    return FetchOrWait(source, sha256, offset, sink);
  };
  TERN_RETURN_IF_ERROR(cache.Store(tensor, fetch, store_.fetched_));
  absl::StatusOr<TensorView> view = cache.Lookup(tensor);
  if (!view.ok()) {
    return absl::DataLossError(absl::StrCat(options_.cache_directory, ": tensor ", tensor.sha256,
                                            " cannot be read back after it was written"));
  }
  const bool from_peer = store_.fetched_.from_peers > peers_before;
  Add(tensor, {.sha256 = tensor.sha256, .view = *std::move(view)},
      from_peer ? kFromPeer : kFromCoordinator);
  return absl::OkStatus();
}

absl::Status ShardStore::Gathering::FetchOrWait(const std::string& source,
                                                const std::string& sha256, uint64_t offset,
                                                const ByteSink& sink) {
  const char* from = source.empty() ? kFromCoordinator : kFromPeer;
  uint64_t taken = 0;
  while (true) {
    const absl::Status status =
        fetch_(source, sha256, offset, [&](std::span<const uint8_t> piece) -> absl::Status {
          TERN_RETURN_IF_ERROR(CheckWanted());
          if ((taken + piece.size()) / kProgressBytes > taken / kProgressBytes) Tell(taken, from);
          taken += piece.size();
          return sink(piece);
        });
    if (!absl::IsAborted(status)) return status;
    TERN_RETURN_IF_ERROR(CheckWanted());
    Tell(0, from);
    Pause(kPeerPause);
  }
}

void ShardStore::Gathering::Add(const TensorRef& tensor, Tensor found, const char* source) {
  if (options_.shelf != nullptr) options_.shelf->Put(tensor.sha256, found.view);
  store_.tensors_[tensor.info.name] = std::move(found);
  done_bytes_ += tensor.info.bytes;
  Tell(0, source);
}

void ShardStore::Gathering::DropFound() {
  std::erase_if(missing_, [this](const TensorRef* tensor) {
    return store_.tensors_.contains(tensor->info.name);
  });
}

void ShardStore::Gathering::Tell(uint64_t more_bytes, const char* source) {
  if (!progress_) return;
  progress_(static_cast<float>(done_bytes_ + more_bytes) / static_cast<float>(total_bytes_),
            source);
}

absl::StatusOr<std::unique_ptr<ShardStore>> ShardStore::Gather(
    const std::vector<TensorRef>& tensors, const ShardOptions& options, const TensorFetch& fetch,
    const std::function<bool()>& cancelled, const ShardProgress& progress) {
  std::unique_ptr<ShardStore> store(new ShardStore);
  TERN_RETURN_IF_ERROR(Gathering(*store, options, fetch, cancelled, progress).Run(tensors));
  return store;
}

absl::StatusOr<TensorView> ShardStore::Find(absl::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    return absl::NotFoundError(absl::StrCat("tensor ", name, ": not among those of this stage"));
  }
  return found->second.file == nullptr ? found->second.view
                                       : found->second.file->tensors().Find(name);
}

std::string ShardStore::ContentId(absl::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? "" : found->second.sha256;
}

}  // namespace tern
