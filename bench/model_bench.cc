// SPDX-License-Identifier: MIT
#include "bench/model_bench.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "bench/stopwatch.h"
#include "model/cost.h"
#include "model/sampler.h"

namespace tern {
namespace {

// Holds the tokens that tests begin after; sequences of tests are numbered from 1.
constexpr SequenceId kMaster = 0;

uint64_t PagesOf(const BenchTest& test) {
  return test.batch * KvPagesFor(uint64_t{test.depth} + test.tokens() + 1);
}

uint32_t GreatestDepth(const std::vector<BenchTest>& tests) {
  uint32_t depth = 0;
  for (const BenchTest& test : tests) depth = std::max(depth, test.depth);
  return depth;
}

// Makes `to` hold the first `tokens` tokens of `from`. REQUIRES pages for them.
void CopySequence(SequenceId from, SequenceId to, uint32_t tokens, const ModelConfig& config,
                  KvCache& cache) {
  const uint64_t bytes = KvPageBytes(config, 1, cache.type()) / config.kv_heads / 2;
  const std::vector<uint32_t>& source = cache.PageTable(from);
  const std::vector<uint32_t>& target = cache.PageTable(to);
  for (uint32_t layer = 0; layer < cache.layers(); ++layer) {
    for (uint32_t head = 0; head < config.kv_heads; ++head) {
      for (size_t i = 0; i < KvPagesFor(tokens); ++i) {
        std::memcpy(cache.Keys(layer, head, target[i]), cache.Keys(layer, head, source[i]), bytes);
        std::memcpy(cache.Values(layer, head, target[i]), cache.Values(layer, head, source[i]),
                    bytes);
      }
    }
  }
  cache.Advance(to, tokens);
}

}  // namespace

std::string BenchTest::Name() const {
  return prompt > 0 ? absl::StrCat("pp", prompt) : absl::StrCat("tg", generate);
}

std::vector<BenchTest> TestsOf(const BenchLists& lists) {
  std::vector<BenchTest> tests;
  for (const uint32_t prompt : lists.prompts) {
    for (const uint32_t depth : lists.depths) tests.push_back({.prompt = prompt, .depth = depth});
  }
  for (const uint32_t generate : lists.generates) {
    for (const uint32_t batch : lists.batches) {
      for (const uint32_t depth : lists.depths) {
        if (batch != lists.batches.front() && depth != lists.depths.front()) continue;
        tests.push_back({.generate = generate, .batch = batch, .depth = depth});
      }
    }
  }
  return tests;
}

uint32_t ContextFor(const std::vector<BenchTest>& tests) {
  uint32_t context = 0;
  for (const BenchTest& test : tests) context = std::max(context, test.depth + test.tokens() + 1);
  return context;
}

absl::StatusOr<std::unique_ptr<ModelBench>> ModelBench::Create(Transformer* transformer,
                                                               ThreadPool* pool,
                                                               std::vector<BenchTest> tests,
                                                               const ModelBenchOptions& options) {
  uint64_t pages = 0;
  for (const BenchTest& test : tests) pages = std::max(pages, PagesOf(test));
  const uint32_t depth = GreatestDepth(tests);
  TERN_ASSIGN_OR_RETURN(
      KvCache cache,
      KvCache::Create(transformer->config(), transformer->range().size(),
                      KvPagesFor(depth + options.chunk) + pages, options.kv_type, pool));
  std::unique_ptr<ModelBench> bench(
      new ModelBench(transformer, std::move(tests), options, std::move(cache)));
  TERN_RETURN_IF_ERROR(bench->FillMaster(depth));
  return bench;
}

ModelBench::ModelBench(Transformer* transformer, std::vector<BenchTest> tests,
                       const ModelBenchOptions& options, KvCache cache)
    : transformer_(transformer),
      tests_(std::move(tests)),
      options_(options),
      cache_(std::move(cache)),
      pages_(cache_.pages()),
      samples_(tests_.size()) {
  uint32_t batch = 1;
  for (const BenchTest& test : tests_) batch = std::max(batch, test.batch);
  const size_t rows = std::max(batch, options.chunk);
  hidden_ = AlignedBuffer<float>(rows * transformer->config().dim);
  logits_.resize(size_t{batch} * transformer->config().vocab);
}

uint64_t ModelBench::kv_bytes() const {
  return cache_.pages() * KvPageBytes(transformer_->config(), cache_.layers(), options_.kv_type);
}

TokenId ModelBench::RandomToken() {
  random_ = random_ * 6364136223846793005 + 1442695040888963407;  // Knuth's MMIX
  return static_cast<TokenId>((random_ >> 33) % transformer_->config().vocab);
}

// Random tokens in chunks. The last chunk is cut to the depth; without a depth one chunk warms up
// all the same.
absl::Status ModelBench::FillMaster(uint32_t depth) {
  const uint32_t warm_up = std::min(options_.chunk, ContextFor(tests_));
  const uint32_t tokens = depth > 0 ? depth : warm_up;
  TERN_RETURN_IF_ERROR(pages_.Reserve(cache_, kMaster, tokens));
  TERN_RETURN_IF_ERROR(Prefill(kMaster, tokens));
  SampleGreedy(1);
  return absl::OkStatus();
}

// Extends a sequence by `tokens` random tokens; the last chunk's activations stay in hidden_, with
// the last row moved to the front.
absl::Status ModelBench::Prefill(SequenceId sequence, uint32_t tokens) {
  const size_t dim = transformer_->config().dim;
  uint32_t rows = 0;
  for (uint32_t done = 0; done < tokens; done += rows) {
    rows = std::min(options_.chunk, tokens - done);
    tokens_.resize(rows);
    std::generate(tokens_.begin(), tokens_.end(), [this] { return RandomToken(); });
    transformer_->Embed(tokens_, hidden_.data());
    const SequenceRows entry = {sequence, cache_.length(sequence), rows};
    TERN_RETURN_IF_ERROR(transformer_->Forward({&entry, 1}, cache_, hidden_.data()));
  }
  if (rows > 1) std::copy_n(hidden_.data() + (rows - 1) * dim, dim, hidden_.data());
  return absl::OkStatus();
}

// tokens_[row] = the likeliest token after hidden_'s row, as generation at temperature 0 finds it.
void ModelBench::SampleGreedy(uint32_t rows) {
  const ModelConfig& config = transformer_->config();
  const SamplingParams greedy = {.temperature = 0};
  tokens_.resize(rows);
  if (transformer_->CanFindTop(1)) {
    const std::vector<TopRequest> requests(rows);
    const auto tops =
        transformer_->TopLogits({hidden_.data(), size_t{rows} * config.dim}, requests);
    for (uint32_t row = 0; row < rows; ++row) {
      tokens_[row] = SampleToken(tops[row], greedy, /*position=*/0, /*history=*/{}).chosen.token;
    }
    return;
  }
  transformer_->Logits({hidden_.data(), size_t{rows} * config.dim}, logits_.data());
  for (uint32_t row = 0; row < rows; ++row) {
    const std::span<const float> logits(logits_.data() + size_t{row} * config.vocab, config.vocab);
    tokens_[row] = SampleToken(logits, greedy, /*position=*/0, /*history=*/{}).chosen.token;
  }
}

// One token more for each of `batch` sequences: tokens_ goes in, and comes out as what follows.
absl::Status ModelBench::Step(uint32_t batch) {
  batch_.clear();
  for (SequenceId sequence = 1; sequence <= batch; ++sequence) {
    batch_.push_back({sequence, cache_.length(sequence), 1});
  }
  transformer_->Embed(tokens_, hidden_.data());
  TERN_RETURN_IF_ERROR(transformer_->Forward(batch_, cache_, hidden_.data()));
  SampleGreedy(batch);
  return absl::OkStatus();
}

absl::Status ModelBench::BeginSequence(SequenceId sequence, const BenchTest& test) {
  pages_.Release(cache_, sequence);
  TERN_RETURN_IF_ERROR(pages_.Reserve(cache_, sequence, test.depth + test.tokens()));
  if (test.depth > 0) {
    CopySequence(kMaster, sequence, test.depth, transformer_->config(), cache_);
  }
  return absl::OkStatus();
}

absl::Status ModelBench::RunTest(const BenchTest& test, Samples& samples) {
  for (SequenceId sequence = 1; sequence <= test.batch; ++sequence) {
    TERN_RETURN_IF_ERROR(BeginSequence(sequence, test));
  }
  tokens_.resize(test.batch);
  std::generate(tokens_.begin(), tokens_.end(), [this] { return RandomToken(); });
  const uint64_t head_bytes = transformer_->head_stats().bytes_read;
  energy_.Start();
  const Stopwatch watch;
  if (test.prompt > 0) {
    TERN_RETURN_IF_ERROR(Prefill(1, test.prompt));
    SampleGreedy(1);
  }
  for (uint32_t i = 0; i < test.generate; ++i) {
    const Stopwatch step;
    TERN_RETURN_IF_ERROR(Step(test.batch));
    samples.step_seconds.push_back(step.Seconds());
  }
  samples.seconds.push_back(watch.Seconds());
  samples.head_bytes += transformer_->head_stats().bytes_read - head_bytes;
  const std::optional<double> joules = energy_.Joules();
  samples.has_joules = samples.has_joules && joules.has_value();
  samples.joules += joules.value_or(0);
  for (SequenceId sequence = 1; sequence <= test.batch; ++sequence) {
    pages_.Release(cache_, sequence);
  }
  return absl::OkStatus();
}

absl::Status ModelBench::RunRound(const std::function<void()>& done) {
  for (size_t i = 0; i < tests_.size(); ++i) {
    TERN_RETURN_IF_ERROR(RunTest(tests_[i], samples_[i]));
    if (done) done();
  }
  return absl::OkStatus();
}

// Decoding reads a sequence's keys and values for every token, a prompt's chunk once for all.
double ModelBench::KvBytesPerToken(const BenchTest& test) const {
  const uint32_t rows = test.prompt > 0 ? options_.chunk : 1;
  uint64_t bytes = 0;
  for (uint32_t done = 0; done < test.tokens(); done += rows) {
    const uint32_t last = std::min(done + rows, test.tokens()) - 1;
    bytes +=
        KvBytesRead(transformer_->config(), cache_.layers(), options_.kv_type, test.depth + last);
  }
  return static_cast<double>(bytes) / test.tokens();
}

TestResult ModelBench::ResultOf(const BenchTest& test, const Samples& samples,
                                const Limits& limits) const {
  const StageCost cost = transformer_->Cost();
  const bool decodes = test.prompt == 0;
  std::vector<double> speeds;
  const double tokens = static_cast<double>(test.tokens()) * test.batch;
  for (const double seconds : samples.seconds) speeds.push_back(tokens / seconds);
  TestResult result;
  result.test = test.Name();
  result.threads = limits.threads;
  result.batch = test.batch;
  result.depth = test.depth;
  result.tokens_per_s = SpreadOf(speeds);
  // Weights are read once a Forward, the head as the model counted it.
  const double rows = decodes ? test.batch : test.prompt;
  const double passes = decodes ? 1 : std::ceil(rows / options_.chunk);
  result.weight_bytes_per_token = passes * static_cast<double>(cost.weight_bytes) / rows;
  result.head_bytes_per_token = static_cast<double>(samples.head_bytes) /
                                (tokens * static_cast<double>(samples.seconds.size()));
  result.kv_bytes_per_token = KvBytesPerToken(test);
  result.bytes_per_token = result.weight_bytes_per_token + result.head_bytes_per_token;
  const double speed = result.tokens_per_s.median;
  const double read = limits.read_median_gb_per_s * 1e9;
  result.bandwidth_share = (result.bytes_per_token + result.kv_bytes_per_token) * speed / read;
  result.int8_share =
      static_cast<double>(cost.macs_per_row) * speed / (limits.int8_median_gmac_per_s * 1e9);
  result.limit_share = decodes ? result.bytes_per_token * speed / read : result.int8_share;
  if (decodes) {
    const auto milliseconds = [&](double percent) {
      return Percentile(samples.step_seconds, percent) * 1e3;
    };
    result.token_latency_ms = {milliseconds(50), milliseconds(95), milliseconds(99)};
  } else {
    result.time_to_first_token_ms = SpreadOf(samples.seconds).median * 1e3;
  }
  if (samples.has_joules) {
    result.joules_per_token =
        samples.joules / (tokens * static_cast<double>(samples.seconds.size()));
  }
  return result;
}

std::vector<TestResult> ModelBench::Results(const Limits& limits) const {
  std::vector<TestResult> results;
  for (size_t i = 0; i < tests_.size(); ++i) {
    results.push_back(ResultOf(tests_[i], samples_[i], limits));
  }
  return results;
}

}  // namespace tern
