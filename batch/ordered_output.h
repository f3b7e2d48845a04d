// SPDX-License-Identifier: MIT
// Answers for a pipe: as soon as they can go out in the order of the input. Nothing is kept.
#ifndef TERN_BATCH_ORDERED_OUTPUT_H_
#define TERN_BATCH_ORDERED_OUTPUT_H_

#include <cstdio>
#include <map>

#include "batch/answer_sink.h"

namespace tern {

class OrderedOutput final : public AnswerSink {
 public:
  // Writes to `file`, which must outlive the object.
  explicit OrderedOutput(std::FILE* file) : file_(file) {}

  bool Has(uint64_t, const std::string&) override { return false; }
  // UNAVAILABLE if nobody reads any more, or another error of writing.
  absl::Status Put(uint64_t line, const std::string& digest, const std::string& answer) override;
  absl::Status Skip(uint64_t line) override { return Put(line, "", ""); }
  absl::Status Sync() override;

 private:
  std::FILE* const file_;
  uint64_t next_ = 1;                        // line whose turn it is
  std::map<uint64_t, std::string> waiting_;  // answers of later lines; empty: none to write
};

}  // namespace tern

#endif  // TERN_BATCH_ORDERED_OUTPUT_H_
