// SPDX-License-Identifier: MIT
#include "kernels/tuner.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/program.h"

namespace tern {
namespace {

// More than caches hold, so that weights come from memory as they do in a model.
constexpr size_t kColdBytes = 96u << 20;
// But no more matrices than a model has of one shape: where so many fit into caches, they are
// there.
constexpr size_t kMostCopies = 256;
constexpr int kRepeats = 5;
constexpr size_t kTokens[] = {1, 8, 64};  // one, few, many
constexpr uint8_t kZeros = 0x55;          // four weights of 0 in T2R16; speed does not depend on it

// Kernels of a packing that are worth measuring: all that this CPU runs, but portable ones only if
// there are no others.
template <typename Kernel>
std::vector<Kernel> Candidates(std::span<const Kernel> table, Packing packing) {
  std::vector<Kernel> candidates;
  for (const Kernel& kernel : table) {
    if (kernel.packing != packing || !CpuSupports(kernel.isa)) continue;
    if (kernel.isa == Isa::kPortable && !candidates.empty()) continue;
    candidates.push_back(kernel);
  }
  return candidates;
}

// Packings that this CPU has more than portable kernels for; one if there are none.
std::vector<Packing> MeasuredPackings() {
  std::vector<Packing> packings;
  for (const PackingInfo& info : Packings()) {
    const Isa best = Candidates(GemvKernels(), info.packing).front().isa;
    if (best != Isa::kPortable) packings.push_back(info.packing);
  }
  if (packings.empty()) packings.push_back(Packing::kT2R16);
  return packings;
}

// What products are measured with. Activations are zeros: speed does not depend on them.
struct Operands {
  static Operands Create(size_t rows, size_t cols) {
    size_t stride = 0;
    for (const PackingInfo& info : Packings()) {
      stride = std::max(stride, RoundUp(PaddedCols(info.packing, cols), kCacheLineBytes));
    }
    const size_t padded_rows = RoundUp(rows, kRowSplit);
    return {rows,
            cols,
            stride,
            AlignedBuffer<int8_t>::Zeroed(kTokens[2] * stride),
            AlignedBuffer<int32_t>::Zeroed(kTokens[2]),
            AlignedBuffer<int32_t>::Zeroed(kTokens[2] * padded_rows)};
  }

  void Run(const GemvKernel& kernel, const uint8_t* weights, IndexRange part, size_t /*tokens*/) {
    kernel.run({.weights = weights + PackedBytes(kernel.packing, part.begin, cols),
                .x = x.data(),
                .x_sum = 0,
                .sums = sums.data() + part.begin,
                .rows = part.size(),
                .cols = cols});
  }

  void Run(const GemmKernel& kernel, const uint8_t* weights, IndexRange part, size_t tokens) {
    kernel.run({.weights = weights + PackedBytes(kernel.packing, part.begin, cols),
                .x = x.data(),
                .x_stride = x_stride,
                .x_sums = x_sums.data(),
                .sums = sums.data() + part.begin,
                .sums_stride = RoundUp(rows, kRowSplit),
                .rows = part.size(),
                .cols = cols,
                .tokens = tokens});
  }

  size_t rows;
  size_t cols;
  size_t x_stride;
  AlignedBuffer<int8_t> x;
  AlignedBuffer<int32_t> x_sums;
  AlignedBuffer<int32_t> sums;
};

// The seconds that one of `copies` matrices takes that lie one after the other.
template <typename Kernel>
double SecondsOf(const Kernel& kernel, ThreadPool& pool, const uint8_t* weights, size_t copies,
                 size_t tokens, Operands& operands) {
  const size_t bytes = PackedBytes(kernel.packing, operands.rows, operands.cols);
  const auto start = std::chrono::steady_clock::now();
  pool.Run([&](size_t thread) {
    const IndexRange part = SplitRange(operands.rows, kRowSplit, thread, pool.size());
    for (size_t copy = 0; copy < copies && part.size() > 0; ++copy) {
      operands.Run(kernel, weights + copy * bytes, part, tokens);
    }
  });
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return seconds.count() / static_cast<double>(copies);
}

// A kernel and the least time that was seen of it: whatever else the machine does only makes one
// longer.
template <typename Kernel>
struct Timed {
  Kernel kernel;
  double seconds = std::numeric_limits<double>::infinity();
};

template <typename Kernel>
std::vector<Timed<Kernel>> TimedCandidates(std::span<const Kernel> table) {
  std::vector<Timed<Kernel>> timed;
  for (const Packing packing : MeasuredPackings()) {
    for (const Kernel& kernel : Candidates(table, packing)) timed.push_back({kernel});
  }
  return timed;
}

template <typename Kernel>
Timed<Kernel> Fastest(const std::vector<Timed<Kernel>>& timed, Packing packing) {
  std::optional<Timed<Kernel>> fastest;
  for (const Timed<Kernel>& candidate : timed) {
    if (candidate.kernel.packing != packing) continue;
    if (!fastest || candidate.seconds < fastest->seconds) fastest = candidate;
  }
  return *fastest;
}

template <typename Kernel>
std::optional<Kernel> FindByName(std::span<const Kernel> table, absl::string_view name) {
  for (const Kernel& kernel : table) {
    if (name == kernel.name && CpuSupports(kernel.isa)) return kernel;
  }
  return std::nullopt;
}

std::optional<MatrixKernels> ParseChoice(const std::string& names) {
  const std::vector<std::string> parts = absl::StrSplit(names, ' ');
  if (parts.size() != 3) return std::nullopt;
  const auto one = FindByName(GemvKernels(), parts[0]);
  const auto few = FindByName(GemmKernels(), parts[1]);
  const auto many = FindByName(GemmKernels(), parts[2]);
  if (!one || !few || !many) return std::nullopt;
  if (one->packing != few->packing || one->packing != many->packing) return std::nullopt;
  return MatrixKernels{*one, *few, *many};
}

}  // namespace

KernelTuner::KernelTuner(ThreadPool* pool, std::string cache_path)
    : pool_(pool),
      cache_path_(std::move(cache_path)),
      program_(absl::StrCat(ProgramPath(), "|")),
      machine_(absl::StrCat(program_, CpuModel(), "|", ProgramBuild())) {
  Load();
}

std::string KernelTuner::Key(size_t rows, size_t cols) const {
  return absl::StrCat(machine_, "|", pool_->size(), " threads|", rows, "x", cols);
}

MatrixKernels KernelTuner::Choose(size_t rows, size_t cols) {
  const std::string key = Key(rows, cols);
  const auto known = choices_.find(key);
  if (known != choices_.end()) {
    if (const auto kernels = ParseChoice(known->second)) return *kernels;
  }
  const MatrixKernels kernels = Measure(rows, cols);
  choices_[key] = kernels.ToString();
  Save();
  return kernels;
}

// All candidates take turns, so that a busy moment of the machine hits them alike.
MatrixKernels KernelTuner::Measure(size_t rows, size_t cols) {
  auto one = TimedCandidates(GemvKernels());
  auto few = TimedCandidates(GemmKernels());
  auto many = few;
  size_t bytes = 0;
  for (const PackingInfo& info : Packings()) {
    bytes = std::max(bytes, PackedBytes(info.packing, rows, cols));
  }
  const size_t copies = std::clamp<size_t>(kColdBytes / bytes, 1, kMostCopies);
  ReserveWeights(copies * bytes);
  Operands operands = Operands::Create(rows, cols);
  const auto time_all = [&](auto& timed, size_t some_copies, size_t tokens) {
    for (auto& [kernel, seconds] : timed) {
      const double now = SecondsOf(kernel, *pool_, weights_.data(), some_copies, tokens, operands);
      seconds = std::min(seconds, now);
    }
  };
  for (int i = 0; i < kRepeats; ++i) {
    time_all(one, copies, kTokens[0]);
    time_all(few, std::max<size_t>(1, copies / kTokens[1]), kTokens[1]);
    time_all(many, 1, kTokens[2]);
  }
  std::optional<MatrixKernels> best;
  double best_seconds = 0;
  for (const Packing packing : MeasuredPackings()) {
    const auto o = Fastest(one, packing);
    const auto f = Fastest(few, packing);
    const auto m = Fastest(many, packing);
    const double seconds = o.seconds + f.seconds / kTokens[1] + m.seconds / kTokens[2];
    if (best && seconds >= best_seconds) continue;
    best = MatrixKernels{o.kernel, f.kernel, m.kernel};
    best_seconds = seconds;
  }
  return *best;
}

void KernelTuner::ReserveWeights(size_t bytes) {
  if (weights_.size() >= bytes) return;
  weights_ = AlignedBuffer<uint8_t>(bytes);
  pool_->Run([&](size_t thread) {  // each its part, so that pages lie near whoever reads them
    const IndexRange part = SplitRange(bytes, kCacheLineBytes, thread, pool_->size());
    std::memset(weights_.data() + part.begin, kZeros, part.size());
  });
}

// A line for each choice: the key, a tab, the names. What other builds of this program chose is
// forgotten, and what programs chose that are gone; tern and tern-mpi keep each other's choices.
void KernelTuner::Load() {
  std::error_code ignored;
  std::ifstream file(cache_path_);
  for (std::string line; std::getline(file, line);) {
    const bool is_known = absl::StartsWith(line, program_)
                              ? absl::StartsWith(line, machine_)
                              : std::filesystem::exists(line.substr(0, line.find('|')), ignored);
    if (!is_known) continue;
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(line, absl::MaxSplits('\t', 1));
    choices_[parts.first] = parts.second;
  }
}

// Under another name first, so that no reader finds half a file.
void KernelTuner::Save() const {
  if (cache_path_.empty()) return;
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(cache_path_).parent_path(), ignored);
  const std::string temporary = absl::StrCat(cache_path_, ".", getpid());
  {
    std::ofstream file(temporary);
    for (const auto& [key, choice] : choices_) file << key << '\t' << choice << '\n';
    if (!file.flush()) return;
  }
  std::filesystem::rename(temporary, cache_path_, ignored);
}

}  // namespace tern
