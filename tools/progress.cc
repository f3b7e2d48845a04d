// SPDX-License-Identifier: MIT
#include "tools/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "absl/time/clock.h"

namespace tern {
namespace {

constexpr int kBarColumns = 40;
constexpr int kLinePercent = 10;  // between two lines where stderr is not a terminal
// What takes no longer is not worth a line.
constexpr absl::Duration kQuiet = absl::Seconds(1);

}  // namespace

ProgressBar::ProgressBar(std::string label)
    : label_(std::move(label)), terminal_(isatty(STDERR_FILENO) != 0), begin_(absl::Now()) {}

ProgressBar::~ProgressBar() {
  if (terminal_ && drawn_percent_ >= 0 && drawn_percent_ < 100) std::fputc('\n', stderr);
}

void ProgressBar::Update(double share) {
  const int percent = static_cast<int>(std::clamp(share, 0.0, 1.0) * 100);
  const int step = terminal_ ? 1 : kLinePercent;
  if (percent / step <= drawn_percent_ / step && drawn_percent_ >= 0) return;
  if (drawn_percent_ < 0 && absl::Now() - begin_ < kQuiet) return;
  drawn_percent_ = percent;
  if (!terminal_) {
    std::fprintf(stderr, "%s: %d %%\n", label_.c_str(), percent);
    return;
  }
  const std::string done(static_cast<size_t>(percent * kBarColumns / 100), '#');
  std::fprintf(stderr, "\r%s [%-*s] %3d %%%s", label_.c_str(), kBarColumns, done.c_str(), percent,
               percent == 100 ? "\n" : "");
  std::fflush(stderr);
}

}  // namespace tern
