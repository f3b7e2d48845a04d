// SPDX-License-Identifier: MIT
#include "worker/speed.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/aligned_buffer.h"
#include "kernels/packing.h"

namespace tern {
namespace {

// As wide as a layer of a 2B model, and more in all than caches of a usual size hold.
constexpr size_t kCols = 2560;
constexpr size_t kRows = 102'400;
constexpr auto kMeasureFor = std::chrono::milliseconds(100);

}  // namespace

double MeasureWeightsPerSecond(const Kernels& kernels, ThreadPool& pool) {
  using Clock = std::chrono::steady_clock;
  const GemvKernel& gemv = kernels.matrix.one;
  const auto offset = [&](size_t row) { return PackedBytes(gemv.packing, row, kCols); };
  AlignedBuffer<uint8_t> weights(offset(kRows));
  AlignedBuffer<int32_t> sums(kRows);
  AlignedBuffer<int8_t> x(PaddedCols(gemv.packing, kCols));
  std::fill(x.begin(), x.end(), int8_t{1});
  const auto rows_of = [&](size_t thread) {
    return SplitRange(kRows, kRowSplit, thread, pool.size());
  };
  // Every thread writes its part first, so that the pages lie next to it.
  pool.Run([&](size_t thread) {
    const IndexRange rows = rows_of(thread);
    constexpr uint8_t kAny = 0x55;  // the kernels' speed is the same for all weights
    std::memset(weights.data() + offset(rows.begin), kAny, offset(rows.end) - offset(rows.begin));
  });
  const auto multiply_once = [&] {
    pool.Run([&](size_t thread) {
      const IndexRange rows = rows_of(thread);
      gemv.run({.weights = weights.data() + offset(rows.begin),
                .x = x.data(),
                .x_sum = static_cast<int32_t>(kCols),
                .sums = sums.data() + rows.begin,
                .rows = rows.size(),
                .cols = kCols});
    });
  };
  // The fastest pass: whatever else the machine does only makes one slower.
  const auto end = Clock::now() + kMeasureFor;
  double best_seconds = 1e9;
  do {
    const auto start = Clock::now();
    multiply_once();
    const std::chrono::duration<double> seconds = Clock::now() - start;
    best_seconds = std::min(best_seconds, std::max(seconds.count(), 1e-6));
  } while (Clock::now() < end);
  return static_cast<double>(kRows) * kCols / best_seconds;
}

}  // namespace tern
