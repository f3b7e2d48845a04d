// SPDX-License-Identifier: MIT
// Progress on stderr: a bar that redraws itself on a terminal, a line each tenth elsewhere. Nothing
// for what ends within a second.
#ifndef TERN_TOOLS_PROGRESS_H_
#define TERN_TOOLS_PROGRESS_H_

#include <string>

#include "absl/time/time.h"

namespace tern {

// Thread-compatible. The destructor ends the line of an unfinished bar.
class ProgressBar {
 public:
  explicit ProgressBar(std::string label);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // Draws the share done, in [0, 1], if it changed visibly. 1 ends the bar.
  void Update(double share);

 private:
  const std::string label_;
  const bool terminal_;
  const absl::Time begin_;
  int drawn_percent_ = -1;
};

}  // namespace tern

#endif  // TERN_TOOLS_PROGRESS_H_
