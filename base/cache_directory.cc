// SPDX-License-Identifier: MIT
#include "base/cache_directory.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace tern {

std::string DefaultCacheDirectory() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && cache[0] == '/') return absl::StrCat(cache, "/tern");
  const char* home = std::getenv("HOME");
  if (home != nullptr && home[0] == '/') return absl::StrCat(home, "/.cache/tern");
  return "";
}

}  // namespace tern
