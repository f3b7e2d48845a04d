// SPDX-License-Identifier: MIT
// Threads for what is to run at once, for as long as it takes.
#ifndef TERN_TOOLS_TOGETHER_H_
#define TERN_TOOLS_TOGETHER_H_

#include <cstddef>
#include <functional>

#include "absl/status/status.h"

namespace tern {

// Calls run(0) ... run(count - 1), each in a thread of its own, and returns when all have: the
// error of the first of them that has one.
absl::Status RunTogether(size_t count, const std::function<absl::Status(size_t)>& run);

}  // namespace tern

#endif  // TERN_TOOLS_TOGETHER_H_
