// SPDX-License-Identifier: MIT
// The same bits, however a model is run: threads, prefill chunks, batches, kernels, stages, pages.
// No tolerance anywhere: a difference is a bug.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "model/local_pages.h"
#include "model/transformer.h"
#include "tests/support/kernel_names.h"
#include "tests/support/random_model.h"
#include "tests/support/run_model.h"

namespace tern {
namespace {

// Three pages of the cache, more than one tile of tokens.
constexpr size_t kTokens = 70;

bool SameBits(const std::vector<float>& x, const std::vector<float>& y) {
  return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0;
}

class InvarianceTest : public ::testing::TestWithParam<KvType> {
 protected:
  std::vector<float> Run(RunOptions options, uint64_t seed = 1) const {
    options.kv_type = GetParam();
    return RunModel(config_, source_, RandomTokens(config_, kTokens, seed), options);
  }

  const ModelConfig config_ = SmallConfig();
  const RandomModel source_{config_, 2};
  const std::vector<float> want_ = Run(RunOptions{.isa = "portable"});  // one thread, row by row
};

TEST_P(InvarianceTest, LogitsDependOnTheTokens) {
  EXPECT_FALSE(SameBits(Run({}, 2), want_));
  EXPECT_EQ(std::count_if(want_.begin(), want_.end(), [](float x) { return !(x * 0 == 0); }), 0);
}

TEST_P(InvarianceTest, Threads) {
  for (const size_t threads : {2, 4}) {
    RunOptions options;
    options.threads = threads;
    EXPECT_TRUE(SameBits(Run(options), want_)) << threads << " threads";
    options.chunk = 64;
    EXPECT_TRUE(SameBits(Run(options), want_)) << threads << " threads, chunks of 64";
  }
}

TEST_P(InvarianceTest, PrefillChunks) {
  for (const uint32_t chunk : {2, 7, 32, 64, 70}) {
    RunOptions options;
    options.chunk = chunk;
    EXPECT_TRUE(SameBits(Run(options), want_)) << "chunks of " << chunk;
  }
}

TEST_P(InvarianceTest, Kernels) {
  for (const std::string& name : KernelNames()) {
    for (const uint32_t chunk : {1, 9, 64}) {
      RunOptions options;
      options.isa = name;
      options.chunk = chunk;
      EXPECT_TRUE(SameBits(Run(options), want_)) << options.isa << ", chunks of " << chunk;
    }
  }
}

TEST_P(InvarianceTest, Stages) {
  for (const uint32_t stages : {2, 3, 5}) {
    RunOptions options;
    options.stages = stages;
    options.chunk = 7;
    EXPECT_TRUE(SameBits(Run(options), want_)) << stages << " stages";
  }
}

TEST_P(InvarianceTest, PagesInNoOrder) {
  const std::vector<uint32_t> pages = ScatteredPages(8);
  ASSERT_FALSE(std::is_sorted(pages.begin(), pages.end()));

  RunOptions options;
  options.scatter_pages = true;
  options.chunk = 7;
  EXPECT_TRUE(SameBits(Run(options), want_));
}

// Sequences that come, grow at their own pace and go, in one batch and one cache.
TEST_P(InvarianceTest, SequencesInOneBatch) {
  struct Client {
    std::vector<TokenId> tokens;
    uint32_t chunk;
    std::vector<float> want;
    uint32_t done = 0;
  };
  std::vector<Client> clients;
  for (const uint32_t chunk : {1, 5, 33}) {
    const uint64_t seed = 10 + chunk;
    clients.push_back({RandomTokens(config_, kTokens, seed), chunk, Run({}, seed)});
  }
  const auto pool = ThreadPool::Create({.threads = 2, .cpus = {}}).value();
  const auto model =
      Transformer::Load(config_, {0, config_.layers}, source_, ChooseKernels().value(), pool.get())
          .value();
  KvCache cache = KvCache::Create(config_, config_.layers, 9, GetParam()).value();
  LocalPages pages(9);

  for (int step = 0; clients[0].done < kTokens; ++step) {
    std::vector<SequenceRows> batch;
    std::vector<float> hidden;
    for (size_t i = 0; i < clients.size(); ++i) {
      Client& client = clients[i];
      const auto rows = std::min<uint32_t>(client.chunk, kTokens - client.done);
      if (rows == 0 || static_cast<size_t>(step) < i) continue;  // gone, or not yet come
      batch.push_back({i, client.done, rows});
      ASSERT_TRUE(pages.Reserve(cache, i, client.done + rows).ok());
      hidden.resize(hidden.size() + rows * config_.dim);
      model->Embed({client.tokens.data() + client.done, rows},
                   hidden.data() + hidden.size() - rows * config_.dim);
    }
    ASSERT_TRUE(model->Forward(batch, cache, hidden.data()).ok());
    std::vector<float> logits(hidden.size() / config_.dim * config_.vocab);
    model->Logits(hidden, logits.data());
    const float* next = logits.data();
    for (const SequenceRows& entry : batch) {
      Client& client = clients[entry.sequence];
      const size_t count = entry.rows * config_.vocab;
      EXPECT_EQ(0, std::memcmp(next, client.want.data() + entry.position * config_.vocab,
                               count * sizeof(float)))
          << "sequence " << entry.sequence << " at " << entry.position;
      next += count;
      client.done += entry.rows;
      if (client.done == kTokens) pages.Release(cache, entry.sequence);
    }
  }
  EXPECT_EQ(pages.free_pages(), cache.pages());
}

INSTANTIATE_TEST_SUITE_P(KvTypes, InvarianceTest,
                         ::testing::Values(KvType::kF16, KvType::kF32, KvType::kQ8),
                         [](const auto& test) { return KvTypeName(test.param); });

}  // namespace
}  // namespace tern
