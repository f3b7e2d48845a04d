// SPDX-License-Identifier: MIT
#include "bench/kernel_bench.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/aligned_buffer.h"
#include "bench/stopwatch.h"
#include "kernels/packing.h"
#include "kernels/registry.h"
#include "model/bit_linear.h"
#include "model/config.h"

namespace tern {
namespace {

struct ModelMatrices {
  const char* name;
  std::vector<MatrixShape> shapes;  // q and output, k and v, gate and up, down
};

const std::vector<ModelMatrices>& KnownModels() {
  static const std::vector<ModelMatrices> models = {
      {"bitnet-2b-4t", {{2560, 2560}, {640, 2560}, {6912, 2560}, {2560, 6912}}},
      {"bitnet-large", {{1536, 1536}, {4096, 1536}, {1536, 4096}}},
      {"bitnet-3b", {{3200, 3200}, {8640, 3200}, {3200, 8640}}},
      {"llama3-8b", {{4096, 4096}, {1024, 4096}, {14336, 4096}, {4096, 14336}}},
      {"falcon3-1b", {{2048, 2048}, {1024, 2048}, {8192, 2048}, {2048, 8192}}},
      {"falcon3-7b", {{3072, 3072}, {1024, 3072}, {23040, 3072}, {3072, 23040}}},
  };
  return models;
}

constexpr uint8_t kSomeTrits = 0x55;  // valid in every packing; speed does not depend on values
constexpr size_t kLeastWeightBytes = size_t{128} << 20;
constexpr absl::Duration kSample = absl::Milliseconds(4);
constexpr size_t kVectorLength = 2560;

// A matrix with copies of itself behind it, and what it multiplies.
struct Problem {
  MatrixShape shape;
  size_t tokens = 0;
  size_t copies = 0;
  size_t matrix_bytes = 0;
  size_t x_stride = 0;
  size_t token_tile = 0;
  const uint8_t* weights = nullptr;  // [copies, matrix_bytes]
  const int8_t* x = nullptr;         // [tokens, x_stride]
  const int32_t* x_sums = nullptr;   // [tokens, cols / kGroupCols], of one row or group
  const float* scales = nullptr;     // of groups
};

// Of one thread: a tile of results.
struct Scratch {
  AlignedBuffer<int32_t> sums{kSumsTile};
  AlignedBuffer<float> products{kSumsTile};
};

// A tile as model/bit_linear.cc cuts them: `weights` begin at its first row.
struct Tile {
  const uint8_t* weights;
  size_t row;
  size_t rows;
  size_t token;
  size_t tokens;
};

// Bytes of a matrix as a kernel reads it; also where row `rows` begins.
template <typename Kernel>
size_t MatrixBytes(const Kernel& kernel, size_t rows, size_t cols) {
  return PackedBytes(kernel.packing, rows, cols);
}
size_t MatrixBytes(const GroupGemmKernel&, size_t rows, size_t cols) {
  return PackedBytes(Packing::kT2R16, rows, cols);
}
size_t MatrixBytes(const ScreenKernel&, size_t rows, size_t cols) {
  return RoundUp(rows, kQ8R16Rows) * cols;
}

bool Fits(const GemvKernel&, const Problem& p) { return p.tokens == 1; }
bool Fits(const GemmKernel&, const Problem&) { return true; }
bool Fits(const ScreenKernel&, const Problem&) { return true; }
bool Fits(const GroupGemmKernel&, const Problem& p) { return p.shape.cols % kGroupCols == 0; }

void RunTile(const GemvKernel& kernel, const Problem& p, const Tile& tile, Scratch& scratch) {
  kernel.run({.weights = tile.weights,
              .x = p.x,
              .x_sum = p.x_sums[0],
              .sums = scratch.sums.data(),
              .rows = tile.rows,
              .cols = p.shape.cols});
}

// GemmKernel and ScreenKernel.
template <typename Kernel>
void RunTile(const Kernel& kernel, const Problem& p, const Tile& tile, Scratch& scratch) {
  kernel.run({.weights = tile.weights,
              .x = p.x + tile.token * p.x_stride,
              .x_stride = p.x_stride,
              .x_sums = p.x_sums,
              .sums = scratch.sums.data(),
              .sums_stride = kRowTile,
              .rows = tile.rows,
              .cols = p.shape.cols,
              .tokens = tile.tokens});
}

void RunTile(const GroupGemmKernel& kernel, const Problem& p, const Tile& tile, Scratch& scratch) {
  const int8_t* x = p.x + tile.token * p.x_stride;
  kernel.run({.weights = tile.weights,
              .scales = p.scales + tile.row * (p.shape.cols / kGroupCols),
              .x = {x, x, x},
              .x_stride = p.x_stride,
              .x_sums = p.x_sums,
              .out = scratch.products.data(),
              .out_stride = kRowTile,
              .rows = tile.rows,
              .cols = p.shape.cols,
              .group_cols = kGroupCols,
              .tokens = tile.tokens});
}

template <typename Kernel>
void RunShare(const Kernel& kernel, const Problem& p, size_t copy, IndexRange share,
              Scratch& scratch) {
  const uint8_t* matrix = p.weights + copy * p.matrix_bytes;
  for (size_t row = share.begin; row < share.end; row += kRowTile) {
    for (size_t token = 0; token < p.tokens; token += p.token_tile) {
      const Tile tile = {matrix + MatrixBytes(kernel, row, p.shape.cols), row,
                         std::min(kRowTile, share.end - row), token,
                         std::min(p.token_tile, p.tokens - token)};
      RunTile(kernel, p, tile, scratch);
    }
  }
}

// Seconds of the fastest of many calls of `run(repeats)`, divided by the repeats.
template <typename Run>
double FastestCall(absl::Duration budget, const Run& run) {
  size_t repeats = 1;
  Stopwatch all;
  while (true) {
    const Stopwatch watch;
    run(repeats);
    if (watch.Elapsed() >= kSample) break;
    repeats *= 2;
  }
  double best = 0;
  do {
    const Stopwatch watch;
    run(repeats);
    const double seconds = watch.Seconds() / static_cast<double>(repeats);
    best = best == 0 ? seconds : std::min(best, seconds);
  } while (all.Elapsed() < budget);
  return best;
}

class KernelBench {
 public:
  KernelBench(const KernelBenchOptions& options, const Topology& topology, const Limits& limits,
              ThreadPool& pool, const std::function<void(double)>& progress);

  std::vector<KernelResult> Run();

 private:
  template <typename Kernel>
  void RunTable(std::span<const Kernel> table, double macs_per_weight);
  template <typename Kernel>
  void RunKernel(const Kernel& kernel, double macs_per_weight, const Problem& problem);
  void RunVectorOps(const VectorOps& ops);
  void RunAttention(const AttentionKernel& kernel);
  bool Wanted(const char* name, Isa isa) const {
    return CpuSupports(isa) && absl::StrContains(name, options_.filter);
  }
  Problem MakeProblem(const MatrixShape& shape, size_t tokens, size_t matrix_bytes) const;
  void Done() {
    if (progress_) progress_(static_cast<double>(++done_) / static_cast<double>(total_));
  }

  const KernelBenchOptions& options_;
  const Limits& limits_;
  const size_t l2_bytes_;
  ThreadPool& pool_;
  const std::function<void(double)>& progress_;
  std::vector<Scratch> scratch_;
  AlignedBuffer<uint8_t> weights_;
  AlignedBuffer<int8_t> x_;
  AlignedBuffer<int32_t> x_sums_;
  AlignedBuffer<float> scales_;
  std::vector<KernelResult> results_;
  size_t done_ = 0;
  size_t total_ = 0;
};

KernelBench::KernelBench(const KernelBenchOptions& options, const Topology& topology,
                         const Limits& limits, ThreadPool& pool,
                         const std::function<void(double)>& progress)
    : options_(options),
      limits_(limits),
      l2_bytes_(topology.l2_bytes),
      pool_(pool),
      progress_(progress),
      scratch_(pool.size()) {
  size_t weights = std::max<size_t>(kLeastWeightBytes, 4 * topology.l3_bytes), cols = 0, groups = 0;
  for (const MatrixShape& shape : options.shapes) {
    weights = std::max(weights, 2 * RoundUp(shape.rows, kRowSplit) * shape.cols);
    cols = std::max(cols, CodesStride(shape.cols));
    groups = std::max<size_t>(groups, (shape.rows + kRowSplit) * shape.cols / kGroupCols);
  }
  size_t tokens = 1;
  for (const uint32_t count : options.tokens) tokens = std::max<size_t>(tokens, count);
  weights_ = AlignedBuffer<uint8_t>(weights);
  pool.Run([&](size_t thread) {
    const IndexRange part = SplitRange(weights, kCacheLineBytes, thread, pool.size());
    std::memset(weights_.data() + part.begin, kSomeTrits, part.size());
  });
  x_ = AlignedBuffer<int8_t>(tokens * cols);
  std::fill(x_.begin(), x_.end(), int8_t{1});
  x_sums_ = AlignedBuffer<int32_t>(tokens * (cols / kGroupCols + 1));
  std::fill(x_sums_.begin(), x_sums_.end(), static_cast<int32_t>(kGroupCols));
  scales_ = AlignedBuffer<float>(groups);
  std::fill(scales_.begin(), scales_.end(), 1.0f);
}

Problem KernelBench::MakeProblem(const MatrixShape& shape, size_t tokens,
                                 size_t matrix_bytes) const {
  return {.shape = shape,
          .tokens = tokens,
          .copies = weights_.size() / matrix_bytes,
          .matrix_bytes = matrix_bytes,
          .x_stride = CodesStride(shape.cols),
          .token_tile = TokensAtOnce(l2_bytes_, CodesStride(shape.cols)),
          .weights = weights_.data(),
          .x = x_.data(),
          .x_sums = x_sums_.data(),
          .scales = scales_.data()};
}

template <typename Kernel>
void KernelBench::RunKernel(const Kernel& kernel, double macs_per_weight, const Problem& problem) {
  size_t copy = 0;
  const double seconds = FastestCall(options_.budget, [&](size_t repeats) {
    pool_.Run([&](size_t thread) {
      const IndexRange share = SplitRange(problem.shape.rows, kRowSplit, thread, pool_.size());
      for (size_t i = 0; i < repeats; ++i) {
        RunShare(kernel, problem, (copy + i) % problem.copies, share, scratch_[thread]);
      }
    });
    copy += repeats;
  });
  const double weights = static_cast<double>(problem.shape.rows * problem.shape.cols);
  KernelResult result = {.kernel = kernel.name,
                         .rows = problem.shape.rows,
                         .cols = problem.shape.cols,
                         .tokens = problem.tokens,
                         .threads = pool_.size(),
                         .seconds = seconds};
  result.gb_per_s = static_cast<double>(problem.matrix_bytes) / seconds * 1e-9;
  result.gmac_per_s =
      weights * macs_per_weight * static_cast<double>(problem.tokens) / seconds * 1e-9;
  result.limit_share = std::max(result.gb_per_s / limits_.read_gb_per_s,
                                result.gmac_per_s / limits_.int8_gmac_per_s);
  results_.push_back(std::move(result));
  Done();
}

template <typename Kernel>
void KernelBench::RunTable(std::span<const Kernel> table, double macs_per_weight) {
  for (const MatrixShape& shape : options_.shapes) {
    for (const uint32_t tokens : options_.tokens) {
      for (const Kernel& kernel : table) {
        const Problem problem =
            MakeProblem(shape, tokens, MatrixBytes(kernel, shape.rows, shape.cols));
        if (!Wanted(kernel.name, kernel.isa) || !Fits(kernel, problem)) continue;
        RunKernel(kernel, macs_per_weight, problem);
      }
    }
  }
}

// In the cache, on one thread: what they cost beside the matrices. A "multiply-add" is an element.
void KernelBench::RunVectorOps(const VectorOps& ops) {
  constexpr size_t kN = kVectorLength;
  AlignedBuffer<float> x(kN), y(kN);
  AlignedBuffer<uint16_t> halves(kN);
  AlignedBuffer<int8_t> codes(kWideDigits * kN);
  std::fill(x.begin(), x.end(), 0.5f);
  std::fill(y.begin(), y.end(), 0.25f);
  ops.to_f16(x.data(), halves.data(), kN);
  int8_t* const digits[] = {codes.data(), codes.data() + kN, codes.data() + 2 * kN};
  int32_t sum = 0;
  volatile float sink = 0;
  const std::pair<const char*, std::function<void()>> calls[] = {
      {"dot", [&] { sink = ops.dot(x.data(), y.data(), kN); }},
      {"dot_f16", [&] { sink = ops.dot_f16(halves.data(), y.data(), kN); }},
      {"dot_bf16", [&] { sink = ops.dot_bf16(halves.data(), y.data(), kN); }},
      {"sum", [&] { sink = ops.sum(x.data(), kN); }},
      {"max", [&] { sink = ops.max(x.data(), kN); }},
      {"add_scaled", [&] { ops.add_scaled(0, x.data(), y.data(), kN); }},
      {"add_scaled_f16", [&] { ops.add_scaled_f16(0, halves.data(), y.data(), kN); }},
      {"exp_shifted", [&] { ops.exp_shifted(y.data(), 1, kN); }},
      {"to_f16", [&] { ops.to_f16(x.data(), halves.data(), kN); }},
      {"from_f16", [&] { ops.from_f16(halves.data(), y.data(), kN); }},
      {"rms_norm", [&] { ops.rms_norm(x.data(), x.data(), 1e-5f, y.data(), kN); }},
      {"quantize_row", [&] { sink = ops.quantize_row(x.data(), codes.data(), &sum, kN); }},
      {"quantize_row_wide", [&] { sink = ops.quantize_row_wide(x.data(), digits, kN); }},
      {"squared_relu_times", [&] { ops.squared_relu_times(y.data(), x.data(), kN); }},
      {"silu_times", [&] { ops.silu_times(y.data(), x.data(), kN); }},
      {"gelu_times", [&] { ops.gelu_times(y.data(), x.data(), kN); }},
  };
  for (const auto& [name, call] : calls) {
    const double seconds = FastestCall(options_.budget / 4, [&](size_t repeats) {
      for (size_t i = 0; i < repeats; ++i) call();
    });
    results_.push_back({.kernel = absl::StrCat(ops.name, ".", name),
                        .rows = 1,
                        .cols = kN,
                        .tokens = 1,
                        .threads = 1,
                        .seconds = seconds,
                        .gmac_per_s = kN / seconds * 1e-9});
  }
  Done();
}

// One token, in the cache, on one thread: four heads of 128 that share keys and values, over one
// block of them.
void KernelBench::RunAttention(const AttentionKernel& kernel) {
  constexpr size_t kHeads = 4, kHeadDim = 128, kTokens = kAttentionBlockTokens;
  constexpr size_t kScratch = AttentionScratchFloats(kHeads, kHeadDim);
  AlignedBuffer<float> queries(kHeads * kHeadDim), scratch(kScratch);
  auto out = AlignedBuffer<float>::Zeroed(kHeads * kHeadDim);
  std::fill(queries.begin(), queries.end(), 0.5f);
  const auto page = AlignedBuffer<uint32_t>::Zeroed(kAttentionPageTokens * kHeadDim);
  const void* pages[kAttentionBlockPages];
  const void* next[kAttentionBlockPages] = {};
  std::fill(std::begin(pages), std::end(pages), page.data());
  const AttentionRange range = {0, kTokens};
  float max[kHeads], sum[kHeads];
  const AttentionArgs args = {.queries = queries.data(),
                              .query_stride = kHeads * kHeadDim,
                              .positions = 1,
                              .heads = kHeads,
                              .head_dim = kHeadDim,
                              .padded_dim = kHeadDim,
                              .scale = 0.1f,
                              .keys = pages,
                              .values = pages,
                              .ranges = &range,
                              .sums = {max, sum, out.data()},
                              .scratch = scratch.data(),
                              .next_keys = next};
  const std::pair<const char*, void (*)(const AttentionArgs&)> types[] = {
      {"f16", kernel.run_f16}, {"f32", kernel.run_f32}, {"q8", kernel.run_q8}};
  for (const auto& [name, run] : types) {
    const double seconds = FastestCall(options_.budget / 4, [&](size_t repeats) {
      for (size_t i = 0; i < repeats; ++i) {
        std::fill(std::begin(max), std::end(max), -std::numeric_limits<float>::infinity());
        std::fill(std::begin(sum), std::end(sum), 0.0f);
        run(args);
      }
    });
    results_.push_back({.kernel = absl::StrCat(kernel.name, ".", name),
                        .rows = kHeads,
                        .cols = kHeadDim,
                        .tokens = kTokens,
                        .threads = 1,
                        .seconds = seconds,
                        .gmac_per_s = 2.0 * kHeads * kHeadDim * kTokens / seconds * 1e-9});
  }
  Done();
}

std::vector<KernelResult> KernelBench::Run() {
  const auto count = [&](const auto& table) {
    for (const auto& row : table) total_ += Wanted(row.name, row.isa);
  };
  count(GemmKernels());
  count(GroupGemmKernels());
  count(ScreenKernels());
  total_ *= options_.tokens.size();
  if (std::count(options_.tokens.begin(), options_.tokens.end(), 1u) > 0) count(GemvKernels());
  total_ *= options_.shapes.size();
  if (pool_.size() == 1) {
    count(VectorOpsTable());
    count(AttentionKernels());
  }

  RunTable(GemvKernels(), 1);
  RunTable(GemmKernels(), 1);
  RunTable(GroupGemmKernels(), kWideDigits);
  RunTable(ScreenKernels(), 1);
  for (const VectorOps& ops : VectorOpsTable()) {
    if (pool_.size() == 1 && Wanted(ops.name, ops.isa)) RunVectorOps(ops);
  }
  for (const AttentionKernel& kernel : AttentionKernels()) {
    if (pool_.size() == 1 && Wanted(kernel.name, kernel.isa)) RunAttention(kernel);
  }
  return std::move(results_);
}

}  // namespace

std::vector<KernelRow> KernelRows() {
  std::vector<KernelRow> rows;
  const auto add = [&rows](const auto& table) {
    for (const auto& row : table) rows.push_back({row.name, row.isa});
  };
  add(GemvKernels());
  add(GemmKernels());
  add(GroupGemmKernels());
  add(ScreenKernels());
  add(VectorOpsTable());
  add(AttentionKernels());
  add(ProbeKernels());
  return rows;
}

absl::StatusOr<std::vector<MatrixShape>> MatricesOf(absl::string_view model) {
  std::vector<MatrixShape> shapes;
  std::vector<std::string> names;
  for (const ModelMatrices& known : KnownModels()) {
    names.push_back(known.name);
    if (model != known.name && model != "all") continue;
    for (const MatrixShape& shape : known.shapes) {
      if (std::count(shapes.begin(), shapes.end(), shape) == 0) shapes.push_back(shape);
    }
  }
  if (!shapes.empty()) return shapes;
  return absl::NotFoundError(
      absl::StrCat("matrices: found ", model, ", want all or one of ", absl::StrJoin(names, ", ")));
}

std::vector<KernelResult> BenchKernels(const KernelBenchOptions& options, const Topology& topology,
                                       const Limits& limits, ThreadPool& pool,
                                       const std::function<void(double)>& progress) {
  return KernelBench(options, topology, limits, pool, progress).Run();
}

}  // namespace tern
