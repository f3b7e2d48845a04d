// SPDX-License-Identifier: MIT
// Answers for a pipe: as soon as they can go out in the order of the input. Nothing is kept.
#ifndef TERN_BATCH_ORDERED_OUTPUT_H_
#define TERN_BATCH_ORDERED_OUTPUT_H_

#include <cstdio>
#include <map>
#include <utility>

#include "base/descriptor.h"
#include "batch/answer_sink.h"

namespace tern {

class OrderedOutput final : public AnswerSink {
 public:
  // Writes to `file`, which must outlive the object. `onward` is the pipe into which another
  // process passes on what comes out of `file`, if one does: that nobody reads there is known
  // before anything is written for that process to get stuck with.
  explicit OrderedOutput(std::FILE* file, Descriptor onward = Descriptor())
      : file_(file), onward_(std::move(onward)) {}

  bool Has(uint64_t, const std::string&) override { return false; }
  // UNAVAILABLE if nobody reads any more, or another error of writing.
  absl::Status Put(uint64_t line, const std::string& digest, const std::string& answer) override;
  absl::Status Skip(uint64_t line) override { return Put(line, "", ""); }
  // Likewise, also if there was nothing to write.
  absl::Status Sync() override;

 private:
  absl::Status CheckReader() const;

  std::FILE* const file_;
  const Descriptor onward_;
  uint64_t next_ = 1;                        // line whose turn it is
  std::map<uint64_t, std::string> waiting_;  // answers of later lines; empty: none to write
};

}  // namespace tern

#endif  // TERN_BATCH_ORDERED_OUTPUT_H_
