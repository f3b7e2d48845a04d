// SPDX-License-Identifier: MIT
// Cuts a stream of text at the first stop text.
#ifndef TERN_COORDINATOR_STOP_TEXT_H_
#define TERN_COORDINATOR_STOP_TEXT_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace tern {

// Withholds text while it may be the beginning of a stop text. What is shown in the end does not
// depend on how the text was cut into pieces. Thread-compatible.
class StopText {
 public:
  // REQUIRES that no text is empty.
  explicit StopText(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  // The text that can be shown now that `text` has come. REQUIRES !stopped().
  std::string Push(absl::string_view text);
  // Whether a stop text has come: the one that ended first, and of those the longest. It and what
  // followed are not shown.
  bool stopped() const { return stopped_; }
  // The text withheld at the end of the stream.
  std::string Finish();

 private:
  const std::vector<std::string> stops_;
  std::string held_;  // not shown yet: could begin a stop text
  bool stopped_ = false;
};

}  // namespace tern

#endif  // TERN_COORDINATOR_STOP_TEXT_H_
