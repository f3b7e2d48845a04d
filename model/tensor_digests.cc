// SPDX-License-Identifier: MIT
#include "model/tensor_digests.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/mapped_file.h"
#include "base/mutex.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "model/content_id.h"

namespace tern {
namespace {

// Raised when a file's tensors are read as other bytes than before.
constexpr char kNoteSuffix[] = ".tensors1";

using DigestsByName = std::map<std::string, std::string>;

// A line for each tensor: its digest, a space and its name.
DigestsByName ParseNote(const std::string& text) {
  DigestsByName digests;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(line, absl::MaxSplits(' ', 1));
    if (IsSha256Hex(parts.first)) digests[parts.second] = parts.first;
  }
  return digests;
}

std::string NoteText(const DigestsByName& digests) {
  std::string text;
  for (const auto& [name, digest] : digests) absl::StrAppend(&text, digest, " ", name, "\n");
  return text;
}

absl::Status HashTensor(const TensorSource& source, const std::string& name, std::string& digest,
                        uint64_t& bytes) {
  TERN_ASSIGN_OR_RETURN(const TensorView view, source.Find(name));
  digest = Sha256Hex(view.data);
  bytes = view.data.size();
  if (view.is_mapped) ReleasePages(view.data);
  return absl::OkStatus();
}

// Those of `tensors` that `known` lacks, the largest first: the last to be hashed is small then.
std::vector<const TensorInfo*> Unknown(std::span<const TensorInfo> tensors,
                                       const DigestsByName& known) {
  std::vector<const TensorInfo*> unknown;
  for (const TensorInfo& tensor : tensors) {
    if (!known.contains(tensor.name)) unknown.push_back(&tensor);
  }
  std::stable_sort(unknown.begin(), unknown.end(),
                   [](const TensorInfo* a, const TensorInfo* b) { return a->bytes > b->bytes; });
  return unknown;
}

}  // namespace

absl::Status ForEach(ThreadPool* pool, size_t count,
                     const std::function<absl::Status(size_t)>& body) {
  std::atomic<size_t> next{0};
  Mutex mu;
  absl::Status result;
  const auto work = [&](size_t) {
    for (size_t i = next++; i < count; i = next++) {
      const absl::Status status = body(i);
      if (status.ok()) continue;
      next = count;
      MutexLock lock(mu);
      result.Update(status);
    }
  };
  if (pool == nullptr) {
    work(0);
  } else if (count > 0) {
    pool->Run(work);
  }
  return result;
}

TensorDigests::TensorDigests(std::string path, std::string cache_directory)
    : path_(std::move(path)),
      cache_directory_(std::move(cache_directory)),
      state_(FileState(path_)) {}

absl::StatusOr<std::vector<std::string>> TensorDigests::Of(const TensorSource& source,
                                                           std::span<const TensorInfo> tensors,
                                                           ThreadPool* pool,
                                                           const HashProgress& progress) const {
  const FileNotes notes = DigestNotes(cache_directory_);
  const auto unchanged = [this] { return state_.has_value() && FileState(path_) == state_; };
  DigestsByName known;
  if (unchanged()) known = ParseNote(notes.Read(*state_ + kNoteSuffix));
  const std::vector<const TensorInfo*> unknown = Unknown(tensors, known);
  Mutex mu;
  uint64_t hashed_bytes = 0;
  const auto hash = [&](size_t i) -> absl::Status {
    const std::string& name = unknown[i]->name;
    std::string digest;
    uint64_t bytes = 0;
    TERN_RETURN_IF_ERROR(HashTensor(source, name, digest, bytes));
    MutexLock lock(mu);
    known[name] = std::move(digest);
    hashed_bytes += bytes;
    return progress ? progress(hashed_bytes) : absl::OkStatus();
  };
  TERN_RETURN_IF_ERROR(ForEach(pool, unknown.size(), hash));
  if (!unknown.empty() && unchanged()) notes.Write(*state_ + kNoteSuffix, NoteText(known));
  std::vector<std::string> digests;
  for (const TensorInfo& tensor : tensors) digests.push_back(known[tensor.name]);
  return digests;
}

}  // namespace tern
