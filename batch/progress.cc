// SPDX-License-Identifier: MIT
#include "batch/progress.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace tern {
namespace {

constexpr absl::Duration kLogPeriod = absl::Minutes(1);

}  // namespace

std::string ProgressText(const JobProgress& progress) {
  std::string text = absl::StrCat(progress.done());
  if (progress.lines > 0) {
    absl::StrAppend(&text, "/", progress.lines, " lines (", 100 * progress.done() / progress.lines,
                    " %)");
  } else {
    absl::StrAppend(&text, " lines");
  }
  const double seconds = absl::ToDoubleSeconds(progress.elapsed);
  if (seconds > 0) {
    absl::StrAppendFormat(&text, ", %.1f tokens/s", static_cast<double>(progress.tokens) / seconds);
  }
  if (progress.errors > 0) {
    absl::StrAppend(&text, ", ", progress.errors, progress.errors == 1 ? " error" : " errors");
  }
  if (progress.lines > progress.done() && progress.answered > 0) {
    const uint64_t left = progress.lines - progress.done();
    const absl::Duration rest =
        progress.elapsed * (static_cast<double>(left) / static_cast<double>(progress.answered));
    absl::StrAppend(&text, ", ", absl::FormatDuration(absl::Ceil(rest, absl::Seconds(1))), " left");
  }
  return text;
}

ProgressLine::ProgressLine(std::FILE* terminal, std::function<void(const std::string&)> log)
    : terminal_(terminal), log_(std::move(log)) {}

ProgressLine::~ProgressLine() {
  if (drawn_) std::fputc('\n', terminal_);
}

void ProgressLine::Show(const JobProgress& progress) {
  if (terminal_ != nullptr) {
    std::fprintf(terminal_, "\r%s\033[K", ProgressText(progress).c_str());
    std::fflush(terminal_);
    drawn_ = true;
  } else if (progress.elapsed - logged_ >= kLogPeriod) {
    logged_ = progress.elapsed;
    log_(ProgressText(progress));
  }
}

}  // namespace tern
