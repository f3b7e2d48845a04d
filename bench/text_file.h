// SPDX-License-Identifier: MIT
// Text files: the small ones in which Linux says what there is, and reports.
#ifndef TERN_BENCH_TEXT_FILE_H_
#define TERN_BENCH_TEXT_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace tern {

// The first line of a file, without spaces around it; "" if it cannot be read.
std::string ReadFirstLine(const std::string& path);

// What follows `key` and a colon in the first line that begins with them, without spaces around it;
// "" if there is none.
std::string ReadField(const std::string& path, absl::string_view key);

// Makes `text` what `path` holds. UNAVAILABLE, naming it, with the system's
// reason, if it cannot be written.
absl::Status WriteTextFile(const std::string& path, absl::string_view text);

}  // namespace tern

#endif  // TERN_BENCH_TEXT_FILE_H_
