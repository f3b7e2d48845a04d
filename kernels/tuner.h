// SPDX-License-Identifier: MIT
// Which packing and which kernels serve a matrix best on this machine, by measuring: one token is
// bound by memory or by unpacking, many by the integer units, and which wins depends on the CPU and
// on how many threads share its memory. All choices give the same bits.
#ifndef TERN_KERNELS_TUNER_H_
#define TERN_KERNELS_TUNER_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/registry.h"

namespace tern {

// Thread-compatible.
class KernelTuner {
 public:
  // Measures with the threads of `pool`, which must outlive the object. Choices are kept in the
  // file `cache_path` under the CPU's model, this program's build and the number of threads, and
  // found there by later runs; empty: nowhere. A file that cannot be read or written only costs
  // measuring again.
  KernelTuner(ThreadPool* pool, std::string cache_path);

  // The kernels for matrices of this shape: those with the least time a token, added up over
  // products of 1, of 8 and of 64 tokens. Takes a tenth of a second or so if nothing is known.
  MatrixKernels Choose(size_t rows, size_t cols);

 private:
  std::string Key(size_t rows, size_t cols) const;
  MatrixKernels Measure(size_t rows, size_t cols);
  void ReserveWeights(size_t bytes);
  void Load();
  void Save() const;

  ThreadPool* const pool_;
  const std::string cache_path_;
  const std::string program_;                        // its path
  const std::string machine_;                        // program, CPU and build
  std::map<std::string, std::string> choices_ = {};  // by Key, what MatrixKernels::ToString gives
  AlignedBuffer<uint8_t> weights_ = {};              // of cold matrices; empty until needed
};

}  // namespace tern

#endif  // TERN_KERNELS_TUNER_H_
