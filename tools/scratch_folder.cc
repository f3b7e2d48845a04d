// SPDX-License-Identifier: MIT
#include "tools/scratch_folder.h"

#include <stdlib.h>

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace tern {

absl::StatusOr<ScratchFolder> ScratchFolder::Make() {
  std::error_code error;
  std::string path = std::filesystem::temp_directory_path(error) / "tern-bench-XXXXXX";
  if (error || mkdtemp(path.data()) == nullptr) {
    return absl::UnavailableError(absl::StrCat(path, ": cannot make a temporary folder"));
  }
  return ScratchFolder(path);
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace tern
