// SPDX-License-Identifier: MIT
// Runs another program and waits for it.
#ifndef TERN_TOOLS_SUBPROCESS_H_
#define TERN_TOOLS_SUBPROCESS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace tern {

struct ProcessResult {
  int exit_code = 0;  // 128 and the signal's number if one ended it
  std::string output;
  std::string errors;                                      // what it wrote to stderr
  absl::Duration first_output = absl::InfiniteDuration();  // from its start to its first byte
};

// Runs `arguments`, the first of which is looked for as shells do, without input. NOT_FOUND if
// there is no such program.
absl::StatusOr<ProcessResult> RunProcess(const std::vector<std::string>& arguments);

}  // namespace tern

#endif  // TERN_TOOLS_SUBPROCESS_H_
