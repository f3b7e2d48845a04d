// SPDX-License-Identifier: MIT
#include "model/head_search.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "base/log.h"
#include "kernels/screen.h"
#include "model/bit_linear.h"

namespace tern {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// A vector is k = 127 high + low, with digits of at most kScreenMax: |k| <= 8064.
constexpr int kDigits = 2;
constexpr int kBase = 2 * kScreenMax + 1;
constexpr int kLargest = kScreenMax * kBase + kScreenMax;
constexpr size_t kTokensAtOnce = kTokenTile / kDigits;

// Inputs with a largest magnitude outside of these are not bounded but computed in full: products
// within them neither overflow nor lose more than kAbsoluteError.
constexpr float kSmallestInput = 0x1p-40f;
constexpr float kLargestInput = 0x1p30f;

// Half to even, for magnitudes below 2^22.
float RoundToInteger(float x) {
  constexpr float kShift = 0x1.8p23f;
  return (x + kShift) - kShift;
}

// NaN if there is one.
float LargestMagnitude(const float* x, size_t n) {
  float largest = 0;
  for (size_t i = 0; i < n; ++i) {
    if (!(std::abs(x[i]) <= largest)) largest = std::abs(x[i]);
    if (std::isnan(largest)) return largest;
  }
  return largest;
}

}  // namespace

HeadSearch::HeadSearch(size_t threads) : scratch_(threads), found_(threads) {}

void HeadSearch::Begin(const HeadScreen& screen, std::span<const TopRequest> requests) {
  requests_ = requests;
  tokens_ = requests.size();
  stride_ = CodesStride(screen.cols);
  if (digits_.size() < kDigits * tokens_ * stride_) {
    digits_ = AlignedBuffer<int8_t>(kDigits * tokens_ * stride_);
  }
  for (Scratch& scratch : scratch_) {
    if (scratch.sums.empty()) scratch.sums = AlignedBuffer<int32_t>(kSumsTile);
    if (scratch.decoded.empty()) scratch.decoded = AlignedBuffer<float>(screen.cols);
  }
  for (std::vector<Found>& found : found_) found.resize(std::max(found.size(), tokens_));
  inputs_.resize(tokens_);
  digit_sums_.resize(kDigits * tokens_);
  lowers_.resize(std::max(lowers_.size(), tokens_));
  candidates_.resize(std::max(candidates_.size(), tokens_));
  seen_words_ = screen.rows / 64 + 1;
  seen_.resize(tokens_ * seen_words_);
}

void HeadSearch::Run(size_t thread, ThreadPool& pool, const EmbeddingTable& head,
                     const HeadScreen& screen, const Kernels& kernels, const float* x) {
  const IndexRange own_tokens = SplitRange(tokens_, 1, thread, pool.size());
  for (size_t token = own_tokens.begin; token < own_tokens.end; ++token) {
    Prepare(token, x + token * screen.cols, screen.cols);
  }
  pool.Sync();
  Screen(thread, SplitRange(screen.rows, kRowSplit, thread, pool.size()), screen, kernels);
  pool.Sync();
  for (size_t token = own_tokens.begin; token < own_tokens.end; ++token) Settle(token);
  pool.Sync();
  Compute(thread, pool.size(), head, kernels.ops, x);
}

void HeadSearch::Prepare(size_t token, const float* x, size_t cols) {
  const TopRequest& request = requests_[token];
  if (request.penalty != 1) {
    uint64_t* seen = seen_.data() + token * seen_words_;
    std::fill_n(seen, seen_words_, 0);
    for (const TokenId id : request.history) {
      const auto row = static_cast<size_t>(id);
      if (id >= 0 && row / 64 < seen_words_) seen[row / 64] |= uint64_t{1} << row % 64;
    }
  }
  int8_t* high = digits_.data() + kDigits * token * stride_;
  int8_t* low = high + stride_;
  int32_t* sums = digit_sums_.data() + kDigits * token;
  sums[0] = sums[1] = 0;
  const float largest = LargestMagnitude(x, cols);
  if (!(largest >= kSmallestInput && largest <= kLargestInput)) {
    std::fill_n(high, stride_ + cols, int8_t{0});
    inputs_[token] = {.scale = 0, .norm = kInfinity, .rest_norm = 0};
    return;
  }
  const float scale = largest / kLargest;
  const float to_integer = kLargest / largest;
  double squares = 0, rest_squares = 0;
  for (size_t col = 0; col < cols; ++col) {
    // No quotient k / 127 is nearer to a half than 1/254, so its rounding is that of the exact one
    // and the digits stay within their bound.
    const float k = RoundToInteger(x[col] * to_integer);
    const float first = RoundToInteger(k * (1.0f / kBase));
    const float second = k - kBase * first;
    const double rest = double{x[col]} - double{scale} * k;  // the product is exact
    squares += double{x[col]} * x[col];
    rest_squares += rest * rest;
    high[col] = static_cast<int8_t>(first);
    low[col] = static_cast<int8_t>(second);
    sums[0] += kQ8R16Zero * high[col];
    sums[1] += kQ8R16Zero * low[col];
  }
  // Of doubles, so 1e-10 covers the roundings of kScreenMaxCols terms.
  inputs_[token] = {.scale = scale,
                    .norm = FloatAbove(std::sqrt(squares) * (1 + 1e-10)),
                    .rest_norm = FloatAbove(std::sqrt(rest_squares) * (1 + 1e-10))};
}

// A tile of rows at a time: its sums stay in the cache, and it is read from memory once for all
// tokens.
void HeadSearch::Screen(size_t thread, IndexRange rows, const HeadScreen& screen,
                        const Kernels& kernels) {
  std::vector<Found>& found = found_[thread];
  for (size_t token = 0; token < tokens_; ++token) {
    found[token].lowers.clear();
    found[token].reaching.clear();
    found[token].floor = -kInfinity;
  }
  int32_t* sums = scratch_[thread].sums.data();
  for (size_t row = rows.begin; row < rows.end; row += kRowTile) {
    const size_t count = std::min(kRowTile, rows.end - row);
    for (size_t begin = 0; begin < tokens_; begin += kTokensAtOnce) {
      const size_t tokens = std::min(kTokensAtOnce, tokens_ - begin);
      kernels.screen.run({.weights = screen.codes.data() + row * screen.cols,
                          .x = digits_.data() + kDigits * begin * stride_,
                          .x_stride = stride_,
                          .x_sums = digit_sums_.data() + kDigits * begin,
                          .sums = sums,
                          .sums_stride = kRowTile,
                          .rows = count,
                          .cols = screen.cols,
                          .tokens = kDigits * tokens});
      for (size_t i = 0; i < tokens; ++i) {
        const int32_t* high = sums + kDigits * i * kRowTile;
        Judge(begin + i, row, count, high, high + kRowTile, screen, found[begin + i]);
      }
    }
  }
}

// In float. With n = |q| |k| <= |q| (|x| + |rest|) / scale: |127 high| is at most 2 n, for a high
// digit is not 0 only where |k| >= 64 and then 127 |digit| <= |k| + 63, and |low| at most n. Two
// conversions, two products, three sums and the scalings thus err by less than 12 u n s scale,
// and the bounds' own roundings are in HeadScreen's factors: see screened_sum in head_screen.cc.
void HeadSearch::Judge(size_t token, size_t row, size_t count, const int32_t* high,
                       const int32_t* low, const HeadScreen& screen, Found& found) const {
  const Input input = inputs_[token];
  const float* scales = screen.scales.data() + row;
  const float* errors = screen.errors.data() + row;
  const float* norms = screen.norms.data() + row;
  float products[kRowTile], radii[kRowTile];
  for (size_t i = 0; i < count; ++i) {
    const float sum = kBase * static_cast<float>(high[i]) + static_cast<float>(low[i]);
    products[i] = sum * input.scale * scales[i];
    radii[i] = errors[i] * input.norm + norms[i] * input.rest_norm + kAbsoluteError;
  }
  int reaching = 0;
  for (size_t i = 0; i < count; ++i) reaching += products[i] + radii[i] >= found.floor ? 1 : 0;
  if (reaching == 0) return;

  const TopRequest& request = requests_[token];
  for (size_t i = 0; i < count; ++i) {
    float lower = products[i] - radii[i], upper = products[i] + radii[i];
    if (!(upper >= found.floor)) continue;
    if (request.penalty != 1 && IsSeen(token, row + i)) {
      // In float the penalty, too, never turns an order round, so it may be applied to bounds.
      lower = Penalised(lower, request.penalty);
      upper = Penalised(upper, request.penalty);
      if (!(upper >= found.floor)) continue;
    }
    found.reaching.push_back({static_cast<uint32_t>(row + i), upper});
    if (found.lowers.size() < request.count) {
      found.lowers.push_back(lower);
      std::push_heap(found.lowers.begin(), found.lowers.end(), std::greater<>());
    } else if (lower > found.lowers.front()) {
      std::pop_heap(found.lowers.begin(), found.lowers.end(), std::greater<>());
      found.lowers.back() = lower;
      std::push_heap(found.lowers.begin(), found.lowers.end(), std::greater<>());
    }
    if (found.lowers.size() == request.count) found.floor = found.lowers.front();
  }
}

// Threads whose own floor was lower kept rows that the floor of all excludes. Which remain depends
// on the bounds alone, not on who computed them.
void HeadSearch::Settle(size_t token) {
  const size_t count = requests_[token].count;
  std::vector<float>& lowers = lowers_[token];
  lowers.clear();
  for (const std::vector<Found>& found : found_) {
    lowers.insert(lowers.end(), found[token].lowers.begin(), found[token].lowers.end());
  }
  float floor = -kInfinity;
  if (lowers.size() >= count) {
    const auto last = lowers.begin() + static_cast<ptrdiff_t>(count - 1);
    std::nth_element(lowers.begin(), last, lowers.end(), std::greater<>());
    floor = *last;
  }
  std::vector<TokenLogit>& candidates = candidates_[token];
  candidates.clear();
  for (const std::vector<Found>& found : found_) {
    for (const Reaching& reaching : found[token].reaching) {
      if (reaching.upper >= floor) candidates.push_back({static_cast<TokenId>(reaching.row), 0});
    }
  }
}

// Every thread the same number of candidates, whoever found them: the frequent tokens of many
// vocabularies have ids near each other.
void HeadSearch::Compute(size_t thread, size_t threads, const EmbeddingTable& head,
                         const VectorOps& ops, const float* x) {
  for (size_t token = 0; token < tokens_; ++token) {
    std::vector<TokenLogit>& candidates = candidates_[token];
    // Another thread gets the larger part for every next token.
    const size_t part = (thread + token) % threads;
    const IndexRange own = SplitRange(candidates.size(), 1, part, threads);
    for (size_t i = own.begin; i < own.end; ++i) {
      const auto row = static_cast<size_t>(candidates[i].token);
      candidates[i].logit =
          DotRow(head, row, x + token * head.cols, ops, scratch_[thread].decoded.data());
    }
  }
}

}  // namespace tern
