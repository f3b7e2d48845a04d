// SPDX-License-Identifier: MIT
// Everything that one run of `tern bench` found, as docs/performance.md describes its JSON.
#ifndef TERN_BENCH_REPORT_H_
#define TERN_BENCH_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/limits.h"
#include "bench/machine.h"
#include "bench/statistics.h"

namespace tern {

struct BenchedModel {
  std::string name;
  std::string architecture;
  uint64_t layers = 0;
  uint64_t dim = 0;
  uint64_t ffn_dim = 0;
  uint64_t vocab = 0;
  uint64_t ternary_weights = 0;      // of the layers' matrices
  uint64_t weight_bytes = 0;         // of those, packed
  uint64_t head_bytes = 0;           // read for the logits of a batch
  std::vector<std::string> kernels;  // of its matrices, as StageCost has them
  std::string head;
  std::string kv_type;
  bool operator==(const BenchedModel&) const = default;
};

// Loading, once for each number of threads.
struct LoadResult {
  uint64_t threads = 0;
  double seconds = 0;
  uint64_t peak_rss_bytes = 0;  // loading and the first round of tests
  uint64_t kv_bytes = 0;        // of those: the most keys and values that the tests hold
  bool operator==(const LoadResult&) const = default;
};

struct Latency {  // milliseconds
  double p50 = 0;
  double p95 = 0;
  double p99 = 0;
  bool operator==(const Latency&) const = default;
};

struct TestResult {
  std::string test;  // "pp512": a prompt of 512 tokens; "tg64": 64 tokens generated
  uint64_t threads = 0;
  uint64_t batch = 1;   // sequences at once
  uint64_t depth = 0;   // tokens of each sequence that came before
  Spread tokens_per_s;  // of all sequences together
  // Bytes read for one token of one sequence: packed weights and head. What decoding is held
  // against the bandwidth by.
  double bytes_per_token = 0;
  double weight_bytes_per_token = 0;
  double head_bytes_per_token = 0;
  double kv_bytes_per_token = 0;  // beside them, the mean over the test
  double limit_share = 0;  // decoding: bandwidth_share without keys and values; prompts: int8_share
  // Medians against medians, since both were measured in turns: a single best pass may have had the
  // memory of a shared machine to itself.
  double bandwidth_share = 0;  // all bytes read, against Limits::read_median_gb_per_s
  double int8_share = 0;       // the layers' ternary products, against int8_median_gmac_per_s
  std::optional<Latency> token_latency_ms;  // decoding: from one token of a sequence to the next
  std::optional<double> time_to_first_token_ms;  // prompts: the median
  std::optional<double> joules_per_token;        // nothing: not available
  bool operator==(const TestResult&) const = default;
};

struct KernelResult {
  std::string kernel;
  uint64_t rows = 0;
  uint64_t cols = 0;
  uint64_t tokens = 0;
  uint64_t threads = 0;
  double seconds = 0;  // of the fastest call
  double gb_per_s = 0;
  double gmac_per_s = 0;
  double limit_share = 0;  // of the bandwidth or of the int8 peak, whichever is nearer
  bool operator==(const KernelResult&) const = default;
};

struct Report {
  Machine machine;
  std::optional<BenchedModel> model;
  std::vector<Limits> limits;
  std::vector<LoadResult> loads;
  std::vector<TestResult> results;
  std::vector<KernelResult> kernels;
  bool operator==(const Report&) const = default;
};

}  // namespace tern

#endif  // TERN_BENCH_REPORT_H_
