// SPDX-License-Identifier: MIT
#include "base/file_notes.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <iterator>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/sha256.h"

namespace tern {

std::vector<std::string> FilesAt(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return {path};
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    if (entry.is_regular_file(error)) files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::optional<std::string> FileState(const std::string& path) {
  std::string state;
  for (const std::string& file : FilesAt(path)) {
    std::error_code error;
    struct stat info = {};
    const std::filesystem::path full = std::filesystem::canonical(file, error);
    if (error || stat(file.c_str(), &info) != 0) return std::nullopt;
    absl::StrAppend(&state, full.string(), "\n", info.st_dev, " ", info.st_ino, " ", info.st_size,
                    " ", info.st_mtim.tv_sec, ".", info.st_mtim.tv_nsec, " ", info.st_ctim.tv_sec,
                    ".", info.st_ctim.tv_nsec, "\n");
  }
  return Sha256Hex(AsBytes(state));
}

std::string FileNotes::Read(const std::string& name) const {
  if (directory_.empty()) return "";
  std::ifstream file(PathOf(name));
  if (!file.good()) return "";
  std::error_code ignored;
  std::filesystem::last_write_time(PathOf(name), std::filesystem::file_time_type::clock::now(),
                                   ignored);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Under another name first, so that no reader finds half a note.
void FileNotes::Write(const std::string& name, const std::string& text) const {
  if (directory_.empty()) return;
  static std::atomic<uint64_t> count{0};
  std::error_code ignored;
  std::filesystem::create_directories(directory_, ignored);
  const std::string temporary = absl::StrCat(PathOf(name), ".", getpid(), ".", count++);
  std::ofstream(temporary) << text;
  std::filesystem::rename(temporary, PathOf(name), ignored);
}

void FileNotes::Remove(const std::string& name) const {
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::remove(PathOf(name), ignored);
}

std::optional<std::filesystem::file_time_type> FileNotes::LastUse(const std::string& name) const {
  if (directory_.empty()) return std::nullopt;
  std::error_code error;
  const auto time = std::filesystem::last_write_time(PathOf(name), error);
  if (error) return std::nullopt;
  return time;
}

}  // namespace tern
