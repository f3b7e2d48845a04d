// SPDX-License-Identifier: MIT
// Remembers what was computed from files until they change: digests of models and of their tensors.
#ifndef TERN_BASE_FILE_NOTES_H_
#define TERN_BASE_FILE_NOTES_H_

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tern {

// A file alone, or those of a directory, by name.
std::vector<std::string> FilesAt(const std::string& path);

// A name for the files at `path` as they are now: a digest of their names, sizes, inodes and times
// of change. Nothing if one of them cannot be looked at.
std::optional<std::string> FileState(const std::string& path);

// A directory with a small file for each note. Nothing in it is needed. Immutable, thread-safe;
// several processes may share a directory.
class FileNotes {
 public:
  // `directory` is made when something is written; empty: nothing is kept.
  explicit FileNotes(std::string directory) : directory_(std::move(directory)) {}

  // The note under this name, which counts as used now. Empty if there is none.
  std::string Read(const std::string& name) const;
  // Keeps a note; what cannot be written is not kept.
  void Write(const std::string& name, const std::string& text) const;
  void Remove(const std::string& name) const;
  // When a note was last read or written. Nothing if there is none.
  std::optional<std::filesystem::file_time_type> LastUse(const std::string& name) const;

 private:
  std::string PathOf(const std::string& name) const { return directory_ + "/" + name; }

  const std::string directory_;
};

}  // namespace tern

#endif  // TERN_BASE_FILE_NOTES_H_
