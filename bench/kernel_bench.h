// SPDX-License-Identifier: MIT
// Times the rows of the kernel tables by themselves, over the matrices of known models.
#ifndef TERN_BENCH_KERNEL_BENCH_H_
#define TERN_BENCH_KERNEL_BENCH_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/thread_pool.h"
#include "bench/limits.h"
#include "bench/report.h"
#include "kernels/cpu.h"

namespace tern {

// A row of any table.
struct KernelRow {
  std::string name;
  Isa isa = Isa::kPortable;
};
std::vector<KernelRow> KernelRows();

struct MatrixShape {
  uint64_t rows = 0;
  uint64_t cols = 0;
  bool operator==(const MatrixShape&) const = default;
};

// The matrices of a layer of a known model: "bitnet-2b-4t", "bitnet-large", "bitnet-3b",
// "llama3-8b", "falcon3-7b", ..., or of "all", each shape once. NOT_FOUND, listing the names.
absl::StatusOr<std::vector<MatrixShape>> MatricesOf(absl::string_view model);

struct KernelBenchOptions {
  std::vector<MatrixShape> shapes;
  std::vector<uint32_t> tokens = {1, 8, 64, 512};
  std::string filter;                              // only rows whose name has it within
  absl::Duration budget = absl::Milliseconds(40);  // of one kernel, shape and number of tokens
};

// Everything that this CPU runs. A matrix is read from memory, not from a cache: copies of it take
// turns. `progress`, if set, is called with the share done, in [0, 1].
std::vector<KernelResult> BenchKernels(const KernelBenchOptions& options, const Topology& topology,
                                       const Limits& limits, ThreadPool& pool,
                                       const std::function<void(double)>& progress = {});

}  // namespace tern

#endif  // TERN_BENCH_KERNEL_BENCH_H_
