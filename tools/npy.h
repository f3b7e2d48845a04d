// SPDX-License-Identifier: MIT
// Writes NumPy's .npy files (format version 1.0, numpy.lib.format).
#ifndef TERN_TOOLS_NPY_H_
#define TERN_TOOLS_NPY_H_

#include <cstddef>
#include <fstream>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace tern {

// A float32 array of [rows, cols], row by row. The file is made with the first row.
// Thread-compatible.
class NpyWriter {
 public:
  NpyWriter(const std::string& path, size_t rows, size_t cols)
      : path_(path), rows_(rows), cols_(cols) {}

  void Append(std::span<const float> row) {
    if (!out_.is_open()) Begin();
    out_.write(reinterpret_cast<const char*>(row.data()),
               static_cast<std::streamsize>(row.size_bytes()));
  }

  // REQUIRES all rows. UNKNOWN if anything could not be written.
  absl::Status Finish() {
    out_.close();
    if (out_.good()) return absl::OkStatus();
    return absl::UnknownError(absl::StrCat(path_, ": cannot be written"));
  }

 private:
  void Begin() {
    // Magic, version and the header's length take 10 bytes; all of it is a multiple of 64.
    std::string header = absl::StrCat("{'descr': '<f4', 'fortran_order': False, 'shape': (", rows_,
                                      ", ", cols_, "), }");
    header.append(63 - (10 + header.size()) % 64, ' ');
    header.push_back('\n');
    const char length[] = {static_cast<char>(header.size() & 0xff),
                           static_cast<char>(header.size() >> 8)};
    out_.open(path_, std::ios::binary);
    out_ << "\x93NUMPY" << std::string("\x01\x00", 2) << std::string(length, 2) << header;
  }

  const std::string path_;
  const size_t rows_;
  const size_t cols_;
  std::ofstream out_;
};

}  // namespace tern

#endif  // TERN_TOOLS_NPY_H_
