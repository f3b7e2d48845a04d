// SPDX-License-Identifier: MIT
// Times a whole model on one pool of threads: prompts, and decoding of one sequence or several at
// a depth of context.
#ifndef TERN_BENCH_MODEL_BENCH_H_
#define TERN_BENCH_MODEL_BENCH_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "bench/energy.h"
#include "bench/limits.h"
#include "bench/report.h"
#include "model/kv_cache.h"
#include "model/local_pages.h"
#include "model/transformer.h"

namespace tern {

// One thing to time: a prompt of `prompt` tokens, or, if that is 0, `generate` tokens of each of
// `batch` sequences; after `depth` tokens that are there already.
struct BenchTest {
  uint32_t prompt = 0;
  uint32_t generate = 0;
  uint32_t batch = 1;
  uint32_t depth = 0;

  std::string Name() const;  // "pp512", "tg64"
  uint32_t tokens() const { return prompt > 0 ? prompt : generate; }
  bool operator==(const BenchTest&) const = default;
};

struct BenchLists {
  std::vector<uint32_t> prompts = {512};
  std::vector<uint32_t> generates = {64};
  std::vector<uint32_t> depths = {0};
  std::vector<uint32_t> batches = {1};
};

// Prompts and decoding of the first batch at every depth; the other batches at the first depth.
std::vector<BenchTest> TestsOf(const BenchLists& lists);

// The longest sequence that the tests need.
uint32_t ContextFor(const std::vector<BenchTest>& tests);

struct ModelBenchOptions {
  uint32_t chunk = 512;  // rows of a prompt in one Forward
  KvType kv_type = KvType::kF16;
};

// Thread-compatible.
class ModelBench {
 public:
  // `transformer` has all layers, a head and the context for the tests, and outlives the object.
  // Fills the cache to the greatest depth, which warms everything up. RESOURCE_EXHAUSTED if there
  // is no memory for keys and values, which the threads of `pool`, the transformer's, write first.
  static absl::StatusOr<std::unique_ptr<ModelBench>> Create(Transformer* transformer,
                                                            ThreadPool* pool,
                                                            std::vector<BenchTest> tests,
                                                            const ModelBenchOptions& options);

  // Runs each test once. Called several times, it interleaves them, so that what disturbs the
  // machine for a while disturbs all alike. `done`, if set, is called after each.
  absl::Status RunRound(const std::function<void()>& done = {});

  // One for each test. REQUIRES that a round was run.
  std::vector<TestResult> Results(const Limits& limits) const;

  uint64_t kv_bytes() const;

 private:
  struct Samples {
    std::vector<double> seconds;       // of each run
    std::vector<double> step_seconds;  // of each decoding step of all runs
    uint64_t head_bytes = 0;           // read in all runs
    double joules = 0;
    bool has_joules = true;
  };

  ModelBench(Transformer* transformer, std::vector<BenchTest> tests,
             const ModelBenchOptions& options, KvCache cache);

  absl::Status FillMaster(uint32_t depth);
  absl::Status BeginSequence(SequenceId sequence, const BenchTest& test);
  absl::Status Prefill(SequenceId sequence, uint32_t tokens);
  absl::Status Step(uint32_t batch);
  absl::Status RunTest(const BenchTest& test, Samples& samples);
  void SampleGreedy(uint32_t rows);
  TokenId RandomToken();
  TestResult ResultOf(const BenchTest& test, const Samples& samples, const Limits& limits) const;
  double KvBytesPerToken(const BenchTest& test) const;

  Transformer* const transformer_;
  const std::vector<BenchTest> tests_;
  const ModelBenchOptions options_;
  KvCache cache_;
  LocalPages pages_;
  EnergyMeter energy_;
  std::vector<Samples> samples_;  // [tests]
  AlignedBuffer<float> hidden_;   // [most rows at once, dim]
  std::vector<float> logits_;     // [most sequences at once, vocab]
  std::vector<TokenId> tokens_;   // of the current batch
  std::vector<SequenceRows> batch_;
  uint64_t random_ = 1;
};

}  // namespace tern

#endif  // TERN_BENCH_MODEL_BENCH_H_
