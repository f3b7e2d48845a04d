// SPDX-License-Identifier: MIT
// The screened head against the full one: no tolerance anywhere.
#include "model/head_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/model/head_rows.h"
#include "tests/support/kernel_names.h"

namespace tern {
namespace {

struct Head {
  EmbeddingTable table = {};
  HeadScreen screen;
};

Head ScreenedHead(EmbeddingTable table) {
  const VectorOps ops = ChooseKernels()->ops;
  Head head = {std::move(table), {}};
  head.screen = MakeScreen(head.table.rows, head.table.cols);
  ScreenScratch scratch(head.table.cols);
  std::vector<float> weights(head.table.cols);
  for (size_t row = 0; row < head.table.rows; ++row) {
    LookUp(head.table, row, ops, {}, weights.data());
    ScreenRow(weights.data(), row, ops, scratch, head.screen);
  }
  return head;
}

// Candidates of each request, for inputs x, [requests, cols].
std::vector<std::vector<TokenLogit>> Search(const Head& head, const std::vector<float>& x,
                                            std::span<const TopRequest> requests, size_t threads,
                                            const std::string& isa = "") {
  const Kernels kernels = ChooseKernels(isa).value();
  const auto pool = ThreadPool::Create({.threads = threads, .cpus = {}}).value();
  HeadSearch search(threads);
  search.Begin(head.screen, requests);
  pool->Run([&](size_t thread) {
    search.Run(thread, *pool, head.table, head.screen, kernels, x.data());
  });
  return {search.candidates().begin(), search.candidates().end()};
}

std::vector<float> FullLogits(const Head& head, const float* x) {
  std::vector<float> logits(head.table.rows), scratch(kDotRows * head.table.cols);
  DotRows(head.table, {0, head.table.rows}, x, 1, ChooseKernels()->ops, scratch.data(),
          logits.data());
  return logits;
}

float PenalisedOrdered(const std::vector<float>& logits, size_t token, const TopRequest& request) {
  const float logit =
      std::isnan(logits[token]) ? -std::numeric_limits<float>::infinity() : logits[token];
  const bool is_seen = std::count(request.history.begin(), request.history.end(), token) > 0;
  return is_seen ? Penalised(logit, request.penalty) : logit;
}

// All of the `count` best and what equals the last of them are there, with the full head's bits.
void CheckCandidates(const std::vector<float>& logits, const TopRequest& request,
                     const std::vector<TokenLogit>& candidates) {
  std::vector<bool> is_candidate(logits.size(), false);
  TokenId last = -1;
  for (const TokenLogit& candidate : candidates) {
    ASSERT_GT(candidate.token, last);
    last = candidate.token;
    const auto token = static_cast<size_t>(candidate.token);
    ASSERT_LT(token, logits.size());
    is_candidate[token] = true;
    const bool both_nan = std::isnan(candidate.logit) && std::isnan(logits[token]);
    EXPECT_TRUE(both_nan || std::memcmp(&candidate.logit, &logits[token], sizeof(float)) == 0)
        << "token " << token << ": " << candidate.logit << ", want " << logits[token];
  }
  std::vector<float> best(logits.size());
  for (size_t i = 0; i < best.size(); ++i) best[i] = PenalisedOrdered(logits, i, request);
  std::vector<float> sorted = best;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  const float last_of_best = sorted[std::min<size_t>(request.count, sorted.size()) - 1];
  for (size_t i = 0; i < best.size(); ++i) {
    EXPECT_TRUE(is_candidate[i] || best[i] < last_of_best) << "token " << i << " is missing";
  }
}

SamplingParams RandomParams(std::mt19937& rng) {
  SamplingParams params;
  params.temperature = rng() % 3 == 0 ? 0 : 0.1f * static_cast<float>(1 + rng() % 30);
  params.top_k = std::vector<uint32_t>{1, 2, 5, 40, 100}[rng() % 5];
  params.top_p = rng() % 2 == 0 ? 1 : 0.5f;
  params.min_p = rng() % 2 == 0 ? 0 : 0.1f;
  params.repetition_penalty = rng() % 2 == 0 ? 1 : 1.3f;
  params.seed = rng();
  return params;
}

// Random settings and histories over one head: the same candidates for every number of threads, and
// the same token, drawn from them, as from all logits.
void CheckHead(const Head& head, std::mt19937& rng) {
  const size_t rows = head.table.rows, cols = head.table.cols;
  std::vector<SamplingParams> params;
  std::vector<std::vector<TokenId>> histories;
  std::vector<TopRequest> requests;
  std::vector<float> x;
  for (const InputKind input : kInputKinds) {
    params.push_back(RandomParams(rng));
    std::vector<TokenId>& history = histories.emplace_back(rng() % (2 * rows));
    for (TokenId& token : history) token = static_cast<TokenId>(rng() % rows);
    const std::vector<float> row = MakeInput(input, cols, rng);
    x.insert(x.end(), row.begin(), row.end());
  }
  for (size_t i = 0; i < params.size(); ++i) {
    requests.push_back({DecidingLogits(params[i]), params[i].repetition_penalty, histories[i]});
  }
  const std::vector<std::vector<TokenLogit>> found = Search(head, x, requests, 1);
  EXPECT_EQ(Search(head, x, std::span(requests).first(1), 3)[0], found[0]);
  for (size_t i = 0; i < requests.size(); ++i) {
    SCOPED_TRACE(::testing::Message() << "input " << i);
    const std::vector<float> logits = FullLogits(head, x.data() + i * cols);
    CheckCandidates(logits, requests[i], found[i]);
    for (uint64_t position = 0; position < 20; ++position) {
      EXPECT_EQ(SampleToken(found[i], params[i], position, histories[i]),
                SampleToken(logits, params[i], position, histories[i]));
    }
  }
}

TEST(HeadSearchTest, SamplesWhatTheFullHeadSamples) {
  std::mt19937 rng(20250302);
  for (const TensorType type : {TensorType::kF16, TensorType::kBF16, TensorType::kF32}) {
    for (const RowKind kind : kRowKinds) {
      for (const size_t rows : {1, 31, 33, 700}) {
        SCOPED_TRACE(::testing::Message() << TensorTypeName(type) << ", rows of kind "
                                          << static_cast<int>(kind) << ", " << rows);
        const size_t cols = 4 * (1 + rng() % 50);
        CheckHead(ScreenedHead(MakeHead(type, kind, rows, cols, rng)), rng);
      }
    }
  }
}

// Rows that are decoded one by one, from blocks of a scale and 32 int8.
TEST(HeadSearchTest, SamplesWhatAFullHeadOfBlocksSamples) {
  std::mt19937 rng(20250303);
  EmbeddingTable table = {};
  table.type = TensorType::kQ8_0;
  table.rows = 600;
  table.cols = 128;
  table.row_bytes = DenseRowBytes(table.type, table.cols);
  table.dense = AlignedBuffer<uint8_t>(table.rows * table.row_bytes);
  for (size_t i = 0; i < table.dense.size(); ++i) {
    const size_t in_block = i % 34;
    table.dense[i] = static_cast<uint8_t>(in_block == 1 ? 0x10 + rng() % 8 : rng());
  }
  CheckHead(ScreenedHead(std::move(table)), rng);
}

// The bound of Cauchy and Schwarz is reached when the input lies along the error of the codes. Here
// the codes say that row 5 is far below the others, all of whose errors point the other way, and it
// is the best: a radius a ninth smaller would lose it.
TEST(HeadSearchTest, KeepsTheRowThatTheCodesMisjudgeMost) {
  constexpr size_t kRows = 40, kCols = 256, kBest = 5;
  std::mt19937 rng(20250304);
  EmbeddingTable table = MakeHead(TensorType::kF32, RowKind::kZero, kRows, kCols, rng);
  auto* weights = reinterpret_cast<float*>(table.dense.data());
  std::vector<float> x(kCols);
  for (size_t col = 2; col < kCols; ++col) x[col] = rng() % 2 == 0 ? 1 : -1;
  x[1] = 2.24f;
  for (size_t row = 0; row < kRows; ++row) {
    float* w = weights + row * kCols;
    w[0] = 127;  // one code is 1
    w[1] = row == kBest ? 0 : 100;
    for (size_t col = 2; col < kCols; ++col) w[col] = 3 + (row == kBest ? 0.49f : -0.49f) * x[col];
  }
  const Head head = ScreenedHead(std::move(table));
  const std::vector<float> logits = FullLogits(head, x.data());
  ASSERT_EQ(std::max_element(logits.begin(), logits.end()) - logits.begin(), kBest);
  const TopRequest request = {.count = 1};
  CheckCandidates(logits, request, Search(head, x, {&request, 1}, 2)[0]);
}

class HeadSearchOfManyTest : public ::testing::Test {
 protected:
  HeadSearchOfManyTest() {
    for (size_t i = 0; i < kTokens; ++i) {
      const std::vector<float> row = MakeInput(InputKind::kGaussian, kCols, rng_);
      x_.insert(x_.end(), row.begin(), row.end());
      requests_.push_back({.count = i % 2 == 0 ? 1u : 40u});
    }
  }

  static constexpr size_t kRows = 6000, kCols = 256, kTokens = 70;  // more than one tile of tokens
  std::mt19937 rng_{7};
  const Head head_ =
      ScreenedHead(MakeHead(TensorType::kF16, RowKind::kGaussian, kRows, kCols, rng_));
  std::vector<float> x_;
  std::vector<TopRequest> requests_;
};

TEST_F(HeadSearchOfManyTest, ThreadsAndKernelsAndBatchesGiveTheSameCandidates) {
  const auto want = Search(head_, x_, requests_, 1, "portable");
  for (size_t i = 0; i < kTokens; ++i) {
    CheckCandidates(FullLogits(head_, x_.data() + i * kCols), requests_[i], want[i]);
  }
  for (const std::string& name : KernelNames())
    EXPECT_EQ(Search(head_, x_, requests_, 2, name), want);
  for (const size_t threads : {3, 8}) EXPECT_EQ(Search(head_, x_, requests_, threads), want);
  for (const size_t token : {size_t{0}, kTokens - 1}) {
    const std::vector<float> own(x_.begin() + static_cast<ptrdiff_t>(token * kCols),
                                 x_.begin() + static_cast<ptrdiff_t>((token + 1) * kCols));
    EXPECT_EQ(Search(head_, own, std::span(requests_).subspan(token, 1), 2)[0], want[token]);
  }
}

TEST_F(HeadSearchOfManyTest, FewRowsAreComputedInFull) {
  const auto found = Search(head_, x_, requests_, 2);
  for (size_t i = 0; i < kTokens; ++i) {
    EXPECT_LT(found[i].size(), requests_[i].count == 1 ? 60 : 600) << "token " << i;
  }
}

TEST(HeadSearchTest, BuffersServeSearchesOfAnySize) {
  std::mt19937 rng(9);
  const Head head = ScreenedHead(MakeHead(TensorType::kF16, RowKind::kMixed, 300, 64, rng));
  const Kernels kernels = ChooseKernels().value();
  const auto pool = ThreadPool::Create({.threads = 2, .cpus = {}}).value();
  HeadSearch search(2);
  for (const size_t tokens : {3, 1, 40, 2}) {
    const std::vector<TopRequest> requests(tokens, TopRequest{.count = 3});
    std::vector<float> x;
    for (size_t i = 0; i < tokens; ++i) {
      const std::vector<float> row = MakeInput(InputKind::kGaussian, 64, rng);
      x.insert(x.end(), row.begin(), row.end());
    }
    search.Begin(head.screen, requests);
    pool->Run([&](size_t thread) {
      search.Run(thread, *pool, head.table, head.screen, kernels, x.data());
    });
    ASSERT_EQ(search.candidates().size(), tokens);
    for (size_t i = 0; i < tokens; ++i) {
      CheckCandidates(FullLogits(head, x.data() + i * 64), requests[i], search.candidates()[i]);
    }
  }
}

}  // namespace
}  // namespace tern
