// SPDX-License-Identifier: MIT
// The small files in which Linux says what there is.
#ifndef TERN_BENCH_TEXT_FILE_H_
#define TERN_BENCH_TEXT_FILE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace tern {

// The first line of a file, without spaces around it; "" if it cannot be read.
std::string ReadFirstLine(const std::string& path);

// What follows `key` and a colon in the first line that begins with them, without spaces around it;
// "" if there is none.
std::string ReadField(const std::string& path, absl::string_view key);

}  // namespace tern

#endif  // TERN_BENCH_TEXT_FILE_H_
