// SPDX-License-Identifier: MIT
#include "bench/limits.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/aligned_buffer.h"
#include "base/log.h"
#include "bench/stopwatch.h"

namespace tern {
namespace {

constexpr size_t kLeastBufferBytes = size_t{256} << 20;
constexpr size_t kMostBufferBytes = size_t{1} << 30;
constexpr size_t kCachesInBuffer = 8;
constexpr absl::Duration kDotSample = absl::Milliseconds(2);
constexpr int kSyncsOfSample = 500;

ProbeKernel BestProbe() {
  for (const ProbeKernel& probe : ProbeKernels()) {
    if (CpuSupports(probe.isa)) return probe;
  }
  return ProbeKernels().back();
}

// On a machine of little memory, an eighth of that.
size_t BufferBytes(const Topology& topology) {
  size_t bytes =
      std::clamp<size_t>(topology.l3_bytes * kCachesInBuffer, kLeastBufferBytes, kMostBufferBytes);
  if (topology.memory_bytes != 0) bytes = std::min<size_t>(bytes, topology.memory_bytes / 8);
  return bytes / kProbeBlockBytes * kProbeBlockBytes;
}

// Samples until `budget` is spent, one at least.
template <typename Sample>
void Repeat(absl::Duration budget, std::vector<double>& samples, const Sample& sample) {
  const Stopwatch watch;
  do {
    samples.push_back(sample());
  } while (watch.Elapsed() < budget);
}

}  // namespace

LimitsMeter::LimitsMeter(const Topology& topology, ThreadPool* pool)
    : probe_(BestProbe()), buffer_bytes_(BufferBytes(topology)), pool_(pool) {}

void LimitsMeter::Measure(absl::Duration budget) {
  MeasureRead(budget * 0.6);
  MeasureDot(budget * 0.3);
  MeasureSync(budget * 0.1);
}

void LimitsMeter::MeasureRead(absl::Duration budget) {
  AlignedBuffer<uint8_t> buffer(buffer_bytes_);  // on huge pages, if the system has them
  const auto part = [&](size_t thread) {
    return SplitRange(buffer_bytes_, kProbeBlockBytes, thread, pool_->size());
  };
  // Each thread touches first what it will read.
  pool_->Run([&](size_t thread) {
    std::memset(buffer.data() + part(thread).begin, 1, part(thread).size());
  });
  std::atomic<uint64_t> sink = 0;
  Repeat(budget, read_, [&] {
    const Stopwatch watch;
    pool_->Run([&](size_t thread) {
      sink += probe_.read(buffer.data() + part(thread).begin, part(thread).size());
    });
    return static_cast<double>(buffer_bytes_) / watch.Seconds();
  });
}

void LimitsMeter::MeasureDot(absl::Duration budget) {
  size_t rounds = 1000;
  std::atomic<uint32_t> sink = 0;
  const auto run = [&] {
    const Stopwatch watch;
    pool_->Run([&](size_t) { sink += probe_.dot(rounds); });
    return watch.Elapsed();
  };
  while (run() < kDotSample) rounds *= 2;
  Repeat(budget, dot_, [&] {
    const double seconds = absl::ToDoubleSeconds(run());
    return static_cast<double>(rounds * probe_.dot_macs * pool_->size()) / seconds;
  });
}

void LimitsMeter::MeasureSync(absl::Duration budget) {
  if (pool_->size() == 1) return;
  Repeat(budget, sync_, [&] {
    double seconds = 0;
    pool_->Run([&](size_t thread) {
      pool_->Sync();  // all are awake
      const Stopwatch watch;
      for (int i = 0; i < kSyncsOfSample; ++i) pool_->Sync();
      if (thread == 0) seconds = watch.Seconds() / kSyncsOfSample;
    });
    return seconds;
  });
}

Limits LimitsMeter::result() const {
  TERN_CHECK(!read_.empty());
  const Spread read = SpreadOf(read_), dot = SpreadOf(dot_);
  const Spread sync = sync_.empty() ? Spread{} : SpreadOf(sync_);
  return {.threads = pool_->size(),
          .probe = probe_.name,
          .read_gb_per_s = read.max * 1e-9,
          .read_median_gb_per_s = read.median * 1e-9,
          .int8_gmac_per_s = dot.max * 1e-9,
          .int8_median_gmac_per_s = dot.median * 1e-9,
          .sync_ns = sync.min * 1e9,
          .sync_median_ns = sync.median * 1e9};
}

}  // namespace tern
