// SPDX-License-Identifier: MIT
#include "model/content_id.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "absl/strings/str_cat.h"
#include "base/mapped_file.h"
#include "base/sha256.h"

namespace tern {
namespace {

constexpr size_t kPieceBytes = 16 << 20;

// Pages that were read do not stay in this process's memory: it may have less than the file takes.
void Update(Sha256& hash, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const std::span<const uint8_t> piece = bytes.first(std::min(kPieceBytes, bytes.size()));
    hash.Update(piece);
    ReleasePages(piece);
    bytes = bytes.subspan(piece.size());
  }
}

std::optional<std::string> Hash(const std::string& path) {
  Sha256 hash;
  for (const std::string& file : FilesAt(path)) {
    const absl::StatusOr<std::unique_ptr<MappedFile>> mapped = MappedFile::Open(file);
    if (!mapped.ok()) return std::nullopt;
    Update(hash, (*mapped)->bytes());
  }
  return hash.Finish();
}

}  // namespace

FileNotes DigestNotes(const std::string& cache_directory) {
  return FileNotes(cache_directory.empty() ? "" : cache_directory + "/digests");
}

std::string ContentId(const std::string& path, const std::string& cache_directory) {
  const std::optional<std::string> state = FileState(path);
  if (!state) return "";
  const FileNotes notes = DigestNotes(cache_directory);
  const std::string known = notes.Read(*state);
  if (IsSha256Hex(known)) return known;
  const std::optional<std::string> digest = Hash(path);
  if (!digest || FileState(path) != state) return "";  // changed meanwhile
  notes.Write(*state, *digest);
  return *digest;
}

void KeepContentId(const std::string& path, const std::string& cache_directory,
                   const std::string& digest) {
  const std::optional<std::string> state = FileState(path);
  if (state) DigestNotes(cache_directory).Write(*state, digest);
}

}  // namespace tern
