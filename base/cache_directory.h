// SPDX-License-Identifier: MIT
// Where this user's caches are.
#ifndef TERN_BASE_CACHE_DIRECTORY_H_
#define TERN_BASE_CACHE_DIRECTORY_H_

#include <string>

namespace tern {

// ${XDG_CACHE_HOME:-~/.cache}/tern; empty if the environment has neither of the variables as an
// absolute path. Need not exist.
std::string DefaultCacheDirectory();

}  // namespace tern

#endif  // TERN_BASE_CACHE_DIRECTORY_H_
