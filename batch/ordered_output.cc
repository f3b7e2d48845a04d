// SPDX-License-Identifier: MIT
#include "batch/ordered_output.h"

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace tern {

absl::Status OrderedOutput::Put(uint64_t line, const std::string&, const std::string& answer) {
  waiting_[line] = answer;
  while (!waiting_.empty() && waiting_.begin()->first == next_) {
    const std::string& text = waiting_.begin()->second;
    if (!text.empty() && std::fprintf(file_, "%s\n", text.c_str()) < 0) return Sync();
    waiting_.erase(waiting_.begin());
    ++next_;
  }
  return absl::OkStatus();
}

absl::Status OrderedOutput::Sync() {
  if (std::fflush(file_) == 0 && std::ferror(file_) == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("output: ", std::strerror(errno)));
}

}  // namespace tern
