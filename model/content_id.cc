// SPDX-License-Identifier: MIT
#include "model/content_id.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mapped_file.h"
#include "base/sha256.h"

namespace tern {
namespace {

std::span<const uint8_t> BytesOf(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// A file alone, or those of a directory by name.
std::vector<std::string> FilesOf(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return {path};
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    if (entry.is_regular_file(error)) files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// A name for the files as they are now: whoever changes one changes its time.
std::optional<std::string> StateOf(const std::vector<std::string>& files) {
  std::string state;
  for (const std::string& file : files) {
    std::error_code error;
    struct stat info = {};
    const std::filesystem::path full = std::filesystem::canonical(file, error);
    if (error || stat(file.c_str(), &info) != 0) return std::nullopt;
    absl::StrAppend(&state, full.string(), "\n", info.st_dev, " ", info.st_ino, " ", info.st_size,
                    " ", info.st_mtim.tv_sec, ".", info.st_mtim.tv_nsec, " ", info.st_ctim.tv_sec,
                    ".", info.st_ctim.tv_nsec, "\n");
  }
  return Sha256Hex(BytesOf(state));
}

std::optional<std::string> Hash(const std::vector<std::string>& files) {
  Sha256 hash;
  for (const std::string& file : files) {
    const absl::StatusOr<std::unique_ptr<MappedFile>> mapped = MappedFile::Open(file);
    if (!mapped.ok()) return std::nullopt;
    hash.Update((*mapped)->bytes());
  }
  return hash.Finish();
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Under another name first, so that no reader finds half a digest.
void Write(const std::string& text, const std::filesystem::path& path) {
  std::error_code ignored;
  std::filesystem::create_directories(path.parent_path(), ignored);
  const std::string temporary = absl::StrCat(path.string(), ".", getpid());
  std::ofstream(temporary) << text;
  std::filesystem::rename(temporary, path, ignored);
}

}  // namespace

std::string ContentId(const std::string& path, const std::string& cache_directory) {
  const std::vector<std::string> files = FilesOf(path);
  const std::optional<std::string> state = StateOf(files);
  if (!state) return "";
  const std::string kept = absl::StrCat(cache_directory, "/digests/", *state);
  if (!cache_directory.empty()) {
    const std::string known = ReadAll(kept);
    if (IsSha256Hex(known)) return known;
  }
  const std::optional<std::string> digest = Hash(files);
  if (!digest || StateOf(files) != state) return "";  // changed meanwhile
  if (!cache_directory.empty()) Write(*digest, kept);
  return *digest;
}

}  // namespace tern
