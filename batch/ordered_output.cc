// SPDX-License-Identifier: MIT
#include "batch/ordered_output.h"

#include <poll.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace tern {
namespace {

// Of a pipe or a socket; of anything else nobody can be.
bool IsReaderGone(int writing_end) {
  pollfd end = {writing_end, 0, 0};
  return poll(&end, 1, /*timeout=*/0) == 1 && (end.revents & POLLERR) != 0;
}

}  // namespace

absl::Status OrderedOutput::Put(uint64_t line, const std::string&, const std::string& answer) {
  TERN_RETURN_IF_ERROR(CheckReader());
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
  TERN_RETURN_IF_ERROR(CheckReader());
  if (std::fflush(file_) != 0 || std::ferror(file_) != 0) {
    return absl::UnavailableError(absl::StrCat("output: ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

absl::Status OrderedOutput::CheckReader() const {
  if (IsReaderGone(fileno(file_)) || IsReaderGone(onward_.get())) {
    return absl::UnavailableError("output: nobody reads it any more");
  }
  return absl::OkStatus();
}

}  // namespace tern
