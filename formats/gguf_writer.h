// SPDX-License-Identifier: MIT
// Writes GGUF files (version 3) in one pass, holding no more of a tensor than it is handed.
#ifndef TERN_FORMATS_GGUF_WRITER_H_
#define TERN_FORMATS_GGUF_WRITER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "formats/gguf.h"
#include "formats/tensor.h"

namespace tern {

// The file appears under its own name only when Finish succeeds: until then its bytes are in
// `path`.PID.part, which the destructor removes. Thread-compatible.
class GgufWriter {
 public:
  // Writes metadata and the directory of `tensors`; their `bytes` are computed, not read.
  // Integers are stored in 32 bits where all fit, floating-point numbers where exact.
  // INVALID_ARGUMENT for an empty tensor or one that TensorBytes refuses, or a `general.alignment`
  // among the metadata (it is always 32), RESOURCE_EXHAUSTED if the file system has too little
  // room, NOT_FOUND if there is no such folder, UNKNOWN with the system's reason otherwise.
  static absl::StatusOr<std::unique_ptr<GgufWriter>> Create(
      const std::string& path, const std::vector<std::pair<std::string, GgufValue>>& metadata,
      std::vector<TensorInfo> tensors);

  ~GgufWriter();
  GgufWriter(const GgufWriter&) = delete;
  GgufWriter& operator=(const GgufWriter&) = delete;

  // The next bytes of the tensors, which follow each other in the order given to Create. A call
  // must not cross the end of a tensor. RESOURCE_EXHAUSTED if the disk is full; UNKNOWN with the
  // system's reason otherwise. After an error the writer is good for nothing but destruction.
  absl::Status Append(std::span<const uint8_t> bytes);

  // REQUIRES that every tensor is complete. Syncs the file and gives it its name, replacing what
  // had it.
  absl::Status Finish();

  uint64_t written_bytes() const { return written_; }
  uint64_t total_bytes() const { return total_; }  // of the finished file

 private:
  GgufWriter(std::string path, std::vector<TensorInfo> tensors);
  absl::Status Open();
  absl::Status Write(std::span<const uint8_t> bytes);
  absl::Status PadToAlignment();

  const std::string path_;
  const std::string part_path_;
  const std::vector<TensorInfo> tensors_;
  int fd_ = -1;
  bool finished_ = false;
  uint64_t written_ = 0;
  uint64_t total_ = 0;
  size_t tensor_ = 0;          // that Append goes on with
  uint64_t tensor_bytes_ = 0;  // of it, written so far
};

}  // namespace tern

#endif  // TERN_FORMATS_GGUF_WRITER_H_
