// SPDX-License-Identifier: MIT
#include "base/program.h"

#include <sys/stat.h>

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace tern {
namespace {

constexpr char kProgram[] = "/proc/self/exe";

}  // namespace

std::string ProgramPath() {
  std::error_code ignored;
  return std::filesystem::read_symlink(kProgram, ignored).string();
}

std::string ProgramBuild() {
  struct stat file = {};
  if (stat(kProgram, &file) != 0) return "unknown";
  return absl::StrCat(file.st_size, ".", file.st_mtim.tv_sec, ".", file.st_mtim.tv_nsec);
}

}  // namespace tern
