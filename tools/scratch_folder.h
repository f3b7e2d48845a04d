// SPDX-License-Identifier: MIT
// A temporary folder.
#ifndef TERN_TOOLS_SCRATCH_FOLDER_H_
#define TERN_TOOLS_SCRATCH_FOLDER_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace tern {

// Removed, with what is in it, with the object. Movable.
class ScratchFolder {
 public:
  // UNAVAILABLE if it cannot be made.
  static absl::StatusOr<ScratchFolder> Make();

  ~ScratchFolder();
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}

  const std::string& path() const { return path_; }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace tern

#endif  // TERN_TOOLS_SCRATCH_FOLDER_H_
