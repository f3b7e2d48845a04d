// SPDX-License-Identifier: MIT
// Answers on disk as they come, so that a job that was killed goes on where it was. A text file:
//
//   tern-batch-journal 1 {settings}
//   CRC-32C LINE INPUT-DIGEST ANSWER       one for each answer, in the order they came
//
// The checksum covers the rest of its line. Whatever stands behind the last sound line, torn by a
// crash or a full disk, is cut off when the journal is opened.
#ifndef TERN_BATCH_JOURNAL_H_
#define TERN_BATCH_JOURNAL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "batch/answer_sink.h"

namespace tern {

class Journal final : public AnswerSink {
 public:
  // Opens the journal at `path`, or makes one for jobs of these settings. FAILED_PRECONDITION if it
  // is of others (the first that differs is named), another job has it open, or the file is no
  // journal; errors of the file system.
  static absl::StatusOr<std::unique_ptr<Journal>> Open(const std::string& path,
                                                       const nlohmann::ordered_json& settings);
  ~Journal() override;
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Only an answer to the same text counts.
  bool Has(uint64_t line, const std::string& digest) override;
  // RESOURCE_EXHAUSTED if the disk is full: the journal is then as before.
  absl::Status Put(uint64_t line, const std::string& digest, const std::string& answer) override;
  absl::Status Skip(uint64_t) override { return absl::OkStatus(); }
  absl::Status Sync() override;

  size_t found() const { return found_; }            // answers when it was opened
  uint64_t cut_bytes() const { return cut_bytes_; }  // of a torn end, then

  // Writes the answers that Has or Put knew of, in the order of the input, to a file that appears
  // complete or not at all.
  absl::Status WriteSorted(const std::string& path) const;

 private:
  struct Entry {
    uint64_t offset = 0;  // of the answer's text in the file
    uint64_t bytes = 0;
    std::string digest;
    bool current = false;  // of this run's input
  };

  Journal(std::string path, int file) : path_(std::move(path)), file_(file) {}
  absl::Status Recover(const nlohmann::ordered_json& settings);
  absl::Status Begin(const nlohmann::ordered_json& settings);
  void ReadEntries(const std::string& text, size_t begin);
  absl::Status Write(const std::string& text);

  const std::string path_;
  const int file_;
  uint64_t size_ = 0;  // of all that is sound
  bool synced_ = true;
  size_t found_ = 0;
  uint64_t cut_bytes_ = 0;
  std::map<uint64_t, Entry> entries_;  // by line
};

}  // namespace tern

#endif  // TERN_BATCH_JOURNAL_H_
