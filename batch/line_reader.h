// SPDX-License-Identifier: MIT
// Lines of a file, a pipe or a terminal, without waiting for one that has not come yet.
#ifndef TERN_BATCH_LINE_READER_H_
#define TERN_BATCH_LINE_READER_H_

#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/descriptor.h"

namespace tern {

// Thread-compatible.
class LineReader {
 public:
  enum class Got { kLine, kNothingYet, kEnd };

  // `file` is read from where it stands; not open, it has no lines.
  explicit LineReader(Descriptor file = Descriptor()) : file_(std::move(file)) {}

  // The next line, without its end, if it is there in whole. The last one may lack its end.
  // DATA_LOSS if the file cannot be read.
  absl::StatusOr<Got> Next(std::string& line);

  // Waits until Next may find more, but no longer than `limit`.
  void Wait(absl::Duration limit) const;

 private:
  absl::Status Read();
  std::string Take(size_t end, size_t next);

  Descriptor file_;
  std::string text_;  // read, and from begin_ on not yet taken
  size_t begin_ = 0;
  size_t searched_ = 0;  // no end of a line before it
  bool ended_ = false;
};

}  // namespace tern

#endif  // TERN_BATCH_LINE_READER_H_
