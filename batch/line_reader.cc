// SPDX-License-Identifier: MIT
#include "batch/line_reader.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace tern {
namespace {

constexpr size_t kReadBytes = size_t{64} << 10;

// Whether a read would not wait: for bytes, the end or an error.
bool IsReady(int file, absl::Duration limit) {
  pollfd polled = {.fd = file, .events = POLLIN, .revents = 0};
  return poll(&polled, 1, static_cast<int>(absl::ToInt64Milliseconds(limit))) > 0;
}

}  // namespace

absl::StatusOr<LineReader::Got> LineReader::Next(std::string& line) {
  while (true) {
    const size_t end = text_.find('\n', searched_);
    if (end != std::string::npos) {
      line = Take(end, end + 1);
      return Got::kLine;
    }
    searched_ = text_.size();
    if (ended_ || !file_.is_open()) {
      if (begin_ == text_.size()) return Got::kEnd;
      line = Take(text_.size(), text_.size());
      return Got::kLine;
    }
    if (!IsReady(file_.get(), absl::ZeroDuration())) return Got::kNothingYet;
    TERN_RETURN_IF_ERROR(Read());
  }
}

void LineReader::Wait(absl::Duration limit) const {
  if (file_.is_open() && !ended_) (void)IsReady(file_.get(), limit);
}

absl::Status LineReader::Read() {
  text_.erase(0, begin_);
  searched_ -= std::exchange(begin_, 0);
  const size_t had = text_.size();
  text_.resize(had + kReadBytes);
  const ssize_t count = read(file_.get(), text_.data() + had, kReadBytes);
  text_.resize(had + static_cast<size_t>(std::max<ssize_t>(count, 0)));
  if (count < 0 && errno != EINTR && errno != EAGAIN) {
    return absl::DataLossError(absl::StrCat("input: cannot be read: ", std::strerror(errno)));
  }
  ended_ = count == 0;
  return absl::OkStatus();
}

// The text up to `end`; goes on behind `next`.
std::string LineReader::Take(size_t end, size_t next) {
  std::string line = text_.substr(begin_, end - begin_);
  begin_ = searched_ = next;
  return line;
}

}  // namespace tern
