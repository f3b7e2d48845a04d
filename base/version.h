// SPDX-License-Identifier: MIT
// The version of this build, as peers compare it and people read it.
#ifndef TERN_BASE_VERSION_H_
#define TERN_BASE_VERSION_H_

namespace tern {

inline constexpr char kVersion[] = TERN_VERSION;  // from the top CMakeLists.txt

}  // namespace tern

#endif  // TERN_BASE_VERSION_H_
