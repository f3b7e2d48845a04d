// SPDX-License-Identifier: MIT
// Every attention kernel against the order of operations that its header documents, to the bit, and
// that order against the same in double.
#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kernels/registry.h"
#include "tests/kernels/tested_kernels.h"

namespace tern {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kScale = 0.125f;

const VectorOps& Plain() { return VectorOpsTable().back(); }

float Exp(float x) {
  Plain().exp_shifted(&x, 0, 1);
  return x;
}

// The sums of one row.
struct RowSums {
  float max = -kInfinity;
  float sum = 0;
  std::vector<float> out;
};

// A block of keys and values of one head in both types: the f32 ones are rounded to f16.
class Block {
 public:
  Block(size_t dim, std::mt19937_64& rng) : dim_(dim), padded_((dim + 15) / 16 * 16) {
    std::normal_distribution<float> normal;
    keys_.resize(kAttentionBlockTokens * dim);
    values_.resize(kAttentionBlockTokens * padded_);
    for (float& key : keys_) key = normal(rng);
    for (float& value : values_) value = normal(rng);
    Round(keys_, half_keys_);
    Round(values_, half_values_);
  }

  // Makes keys and values of tokens outside [begin, end) what no sum survives.
  void PoisonOutside(size_t begin, size_t end) {
    for (size_t token = 0; token < kAttentionBlockTokens; ++token) {
      if (token >= begin && token < end) continue;
      for (size_t col = 0; col < dim_; ++col) {
        keys_[KeyAt(token, col)] = std::numeric_limits<float>::quiet_NaN();
        values_[token * padded_ + col] = kInfinity;
      }
    }
    Round(keys_, half_keys_);
    Round(values_, half_values_);
  }

  size_t padded() const { return padded_; }
  float key(size_t token, size_t col) const { return keys_[KeyAt(token, col)]; }
  float value(size_t token, size_t col) const { return values_[token * padded_ + col]; }

  // Of every page, for AttentionArgs.
  std::vector<const void*> Keys(bool f16) const {
    return f16 ? Pages(half_keys_, dim_) : Pages(keys_, dim_);
  }
  std::vector<const void*> Values(bool f16) const {
    return f16 ? Pages(half_values_, padded_) : Pages(values_, padded_);
  }

 private:
  static void Round(std::vector<float>& floats, std::vector<uint16_t>& halves) {
    halves.resize(floats.size());
    Plain().to_f16(floats.data(), halves.data(), floats.size());
    Plain().from_f16(halves.data(), floats.data(), floats.size());
  }
  template <typename T>
  static std::vector<const void*> Pages(const std::vector<T>& elements, size_t dim) {
    std::vector<const void*> pages;
    for (size_t page = 0; page < kAttentionBlockPages; ++page) {
      pages.push_back(elements.data() + page * kAttentionPageTokens * dim);
    }
    return pages;
  }
  size_t KeyAt(size_t token, size_t col) const {
    return (token / kAttentionPageTokens * dim_ + col) * kAttentionPageTokens +
           token % kAttentionPageTokens;
  }

  const size_t dim_, padded_;
  std::vector<float> keys_;    // [pages, dim, 32]
  std::vector<float> values_;  // [pages, 32, padded]
  std::vector<uint16_t> half_keys_, half_values_;
};

struct Shape {
  size_t positions, heads, dim;
  size_t rows() const { return positions * heads; }
};

// Scores of the tokens from `begin` on become weights, with their maximum and sum.
void PlainSoftmax(size_t begin, std::vector<float>& weights, RowSums& row) {
  row.max = *std::max_element(weights.begin(), weights.end());
  Plain().exp_shifted(weights.data(), row.max, weights.size());
  float lanes[16] = {};
  for (size_t i = 0; i < weights.size(); ++i) lanes[(begin + i) % 16] += weights[i];
  for (size_t half = 8; half > 0; half /= 2) {
    for (size_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  row.sum = lanes[0];
}

// What the header says of one row and one block.
RowSums PlainRow(const float* query, const Block& block, size_t dim, const AttentionRange& range) {
  RowSums row;
  row.out.assign(dim, 0);
  if (range.begin == range.end) return row;
  std::vector<float> weights;
  for (size_t token = range.begin; token < range.end; ++token) {
    float score = 0;
    for (size_t begin = 0; begin < dim; begin += kAttentionSumCols) {
      float sum = 0;
      for (size_t col = begin; col < std::min(begin + kAttentionSumCols, dim); ++col) {
        sum += query[col] * block.key(token, col);
      }
      score += sum;
    }
    weights.push_back(score * kScale);
  }
  PlainSoftmax(range.begin, weights, row);
  for (size_t i = 0; i < weights.size(); ++i) {
    for (size_t col = 0; col < dim; ++col) {
      row.out[col] += weights[i] * block.value(range.begin + i, col);
    }
  }
  return row;
}

void PlainMerge(const RowSums& from, RowSums& to) {
  if (from.sum == 0) return;
  const float max = std::max(from.max, to.max);
  const float a = Exp(to.max - max), b = Exp(from.max - max);
  to.max = max;
  to.sum = a * to.sum + b * from.sum;
  for (size_t col = 0; col < to.out.size(); ++col)
    to.out[col] = a * to.out[col] + b * from.out[col];
}

// Sums of rows, as kernels take them.
struct SumsBuffer {
  std::vector<float> max, sum, out;
  SumsBuffer(size_t rows, size_t padded)
      : max(rows, -kInfinity), sum(rows, 0), out(rows * padded, 0) {}
  AttentionSums get() { return {max.data(), sum.data(), out.data()}; }
};

struct AttentionProblem {
  Shape shape;
  std::vector<float> queries;  // [positions, heads * dim + 5]
  std::vector<Block> blocks;
  std::vector<std::vector<AttentionRange>> ranges;  // of each block

  size_t stride() const { return shape.heads * shape.dim + 5; }
  const float* query(size_t row) const {
    return queries.data() + row / shape.heads * stride() + row % shape.heads * shape.dim;
  }

  void Run(const AttentionKernel& kernel, bool f16, size_t block, const AttentionSums& sums) const {
    const size_t padded = blocks[block].padded();
    const std::vector<const void*> keys = blocks[block].Keys(f16);
    const std::vector<const void*> values = blocks[block].Values(f16);
    const void* const next_keys[kAttentionBlockPages] = {};
    std::vector<float> scratch(AttentionScratchFloats(shape.rows(), padded));
    const AttentionArgs args = {
        queries.data(), stride(),       shape.positions, shape.heads,   shape.dim,
        padded,         kScale,         keys.data(),     values.data(), ranges[block].data(),
        sums,           scratch.data(), next_keys};
    (f16 ? kernel.run_f16 : kernel.run_f32)(args);
  }
};

// A causal window of `window` tokens over `blocks` blocks, whose last row attends to
// `last_token` at most. What no row attends to is poisoned.
AttentionProblem MakeProblem(const Shape& shape, size_t blocks, size_t last_token, size_t window,
                             std::mt19937_64& rng) {
  AttentionProblem p{shape, {}, {}, {}};
  std::normal_distribution<float> normal;
  p.queries.resize(shape.positions * p.stride());
  for (float& query : p.queries) query = normal(rng);
  for (size_t block = 0; block < blocks; ++block) {
    const auto within = [&](int64_t token) {
      const auto first = static_cast<int64_t>(block * kAttentionBlockTokens);
      return static_cast<uint32_t>(
          std::clamp<int64_t>(token - first, 0, static_cast<int64_t>(kAttentionBlockTokens)));
    };
    std::vector<AttentionRange> ranges;
    for (size_t i = 0; i < shape.positions; ++i) {
      const auto end = static_cast<int64_t>(last_token + 2 + i - shape.positions);
      ranges.push_back({within(end - static_cast<int64_t>(window)), within(end)});
    }
    p.blocks.emplace_back(shape.dim, rng);
    p.blocks[block].PoisonOutside(ranges.front().begin, ranges.back().end);
    p.ranges.push_back(std::move(ranges));
  }
  return p;
}

std::vector<RowSums> PlainSums(const AttentionProblem& p) {
  std::vector<RowSums> sums(p.shape.rows());
  for (size_t row = 0; row < sums.size(); ++row) {
    sums[row].out.assign(p.shape.dim, 0);
    for (size_t block = 0; block < p.blocks.size(); ++block) {
      PlainMerge(PlainRow(p.query(row), p.blocks[block], p.shape.dim,
                          p.ranges[block][row / p.shape.heads]),
                 sums[row]);
    }
  }
  return sums;
}

class AttentionTest : public ::testing::TestWithParam<AttentionKernel> {
 protected:
  void SetUp() override {
    if (!CpuSupports(GetParam().isa)) GTEST_SKIP() << "this CPU cannot run it";
  }

  static void ExpectSame(const std::vector<RowSums>& want, const SumsBuffer& got, size_t padded,
                         const std::string& where) {
    for (size_t row = 0; row < want.size(); ++row) {
      ASSERT_EQ(got.max[row], want[row].max) << where << ", row " << row;
      ASSERT_EQ(got.sum[row], want[row].sum) << where << ", row " << row;
      for (size_t col = 0; col < want[row].out.size(); ++col) {
        ASSERT_EQ(got.out[row * padded + col], want[row].out[col])
            << where << ", row " << row << ", column " << col;
      }
    }
  }

  // The blocks merged as they come, and each by itself and merged afterwards.
  static void ExpectExact(const AttentionProblem& p, const std::string& where) {
    const AttentionKernel& kernel = GetParam();
    const std::vector<RowSums> want = PlainSums(p);
    const size_t rows = p.shape.rows(), padded = p.blocks[0].padded();
    for (const bool f16 : {false, true}) {
      SumsBuffer running(rows, padded), merged(rows, padded);
      for (size_t block = 0; block < p.blocks.size(); ++block) {
        p.Run(kernel, f16, block, running.get());
        SumsBuffer partial(rows, padded);
        p.Run(kernel, f16, block, partial.get());
        kernel.merge(partial.get(), rows, padded, merged.get());
      }
      ExpectSame(want, running, padded, where + (f16 ? ", f16" : ", f32"));
      ExpectSame(want, merged, padded, where + (f16 ? ", f16, merged" : ", f32, merged"));
    }
  }
};

TEST_P(AttentionTest, EqualsTheDocumentedOrder) {
  std::mt19937_64 rng(5);
  for (const size_t dim : {2, 16, 40, 64, 100, 128}) {
    for (const size_t heads : {1, 3, 4, 9}) {
      for (const size_t positions : {1, 2, 7, 12}) {
        const Shape shape = {positions, heads, dim};
        const size_t last = positions - 1 + rng() % (kAttentionBlockTokens - positions + 1);
        const AttentionProblem p = MakeProblem(shape, 1, last, kAttentionBlockTokens, rng);
        ExpectExact(p, testing::PrintToString(positions) + " positions, " +
                           testing::PrintToString(heads) + " heads of " +
                           testing::PrintToString(dim) + ", last token " +
                           testing::PrintToString(last));
      }
    }
  }
}

// Rows on both sides of the blocks' boundaries, so that some have nothing in a block.
TEST_P(AttentionTest, MergesBlocksInOrder) {
  std::mt19937_64 rng(6);
  for (const size_t last : {258, 300, 511, 515, 700}) {
    for (const size_t window : {1, 33, 200, 256, 257, 1000}) {
      ExpectExact(MakeProblem({8, 2, 48}, 3, last, window, rng),
                  "last token " + testing::PrintToString(last) + ", window " +
                      testing::PrintToString(window));
    }
  }
}

// The documented order itself: f32, within what its roundings can do.
TEST_P(AttentionTest, IsSoftmaxAttention) {
  std::mt19937_64 rng(7);
  const AttentionProblem p = MakeProblem({3, 4, 128}, 3, 700, 1000, rng);
  const size_t padded = p.blocks[0].padded();
  SumsBuffer sums(p.shape.rows(), padded);
  for (size_t block = 0; block < 3; ++block) p.Run(GetParam(), false, block, sums.get());
  for (size_t row = 0; row < p.shape.rows(); ++row) {
    std::vector<double> out(p.shape.dim, 0);
    double total = 0;
    for (size_t token = 0; token < 701 - 2 + row / 4; ++token) {
      const Block& block = p.blocks[token / kAttentionBlockTokens];
      const size_t within = token % kAttentionBlockTokens;
      double score = 0;
      for (size_t col = 0; col < p.shape.dim; ++col) {
        score += double{p.query(row)[col]} * block.key(within, col);
      }
      const double weight = std::exp(score * kScale);
      total += weight;
      for (size_t col = 0; col < p.shape.dim; ++col) out[col] += weight * block.value(within, col);
    }
    for (size_t col = 0; col < p.shape.dim; ++col) {
      EXPECT_NEAR(sums.out[row * padded + col] / sums.sum[row], out[col] / total, 2e-6);
    }
  }
}

// Keys or values of a block in q8.
struct Q8Part {
  size_t dim;
  std::vector<int8_t> codes;  // [tokens, dim]
  std::vector<float> scales;  // [tokens]
  std::vector<std::vector<uint8_t>> pages;

  Q8Part(size_t cols, bool is_keys, std::mt19937_64& rng)
      : dim(cols), codes(kAttentionBlockTokens * cols), scales(kAttentionBlockTokens) {
    std::uniform_int_distribution<int> code(-127, 127);
    std::normal_distribution<float> normal;
    for (int8_t& c : codes) c = static_cast<int8_t>(code(rng));
    for (float& scale : scales) scale = std::abs(normal(rng)) / 127;
    Pack(is_keys);
  }

  // Of tokens outside [begin, end): nothing that a sum survives.
  void PoisonOutside(size_t begin, size_t end, bool is_keys) {
    for (size_t token = 0; token < scales.size(); ++token) {
      if (token >= begin && token < end) continue;
      scales[token] = token % 2 == 0 ? kInfinity : std::numeric_limits<float>::quiet_NaN();
    }
    Pack(is_keys);
  }

  void Pack(bool is_keys) {
    const size_t padded = (dim + 15) / 16 * 16;
    pages.assign(kAttentionBlockPages, {});
    for (size_t page = 0; page < pages.size(); ++page) {
      std::vector<uint8_t>& bytes = pages[page];
      bytes.resize(kAttentionPageTokens * (padded + sizeof(float)), 77);
      for (size_t t = 0; t < kAttentionPageTokens; ++t) {
        const size_t token = page * kAttentionPageTokens + t;
        for (size_t col = 0; col < dim; ++col) {
          const size_t at = is_keys ? t / 16 * 16 * padded + col / 4 * 64 + t % 16 * 4 + col % 4
                                    : col / 16 * 512 + t / 4 * 64 + col % 16 * 4 + t % 4;
          bytes[at] = static_cast<uint8_t>(codes[token * dim + col] + 128);
        }
        std::memcpy(&bytes[kAttentionPageTokens * padded + t * sizeof(float)], &scales[token],
                    sizeof(float));
      }
    }
  }

  std::vector<const void*> Pages() const {
    std::vector<const void*> pointers;
    for (const std::vector<uint8_t>& page : pages) pointers.push_back(page.data());
    return pointers;
  }
};

// Whole numbers, and what one is worth.
std::pair<std::vector<int32_t>, float> PlainSteps(const std::vector<float>& x) {
  float max = 1e-30f;
  for (float value : x) max = std::max(max, std::abs(value));
  const float steps = 8064 / max;
  std::vector<int32_t> whole;
  for (float value : x) whole.push_back(static_cast<int32_t>(std::nearbyint(value * steps)));
  return {whole, 1 / steps};
}

// What the header says of one row and one block of q8.
RowSums PlainRowQ8(const float* query, const Q8Part& keys, const Q8Part& values,
                   const AttentionRange& range) {
  const size_t dim = keys.dim;
  RowSums row;
  row.out.assign(dim, 0);
  if (range.begin == range.end) return row;
  const auto [whole, unit] = PlainSteps({query, query + dim});
  std::vector<float> weights;
  for (size_t token = range.begin; token < range.end; ++token) {
    int64_t sum = 0;
    for (size_t col = 0; col < dim; ++col) sum += whole[col] * keys.codes[token * dim + col];
    weights.push_back(static_cast<float>(sum) * (keys.scales[token] * (kScale * unit)));
  }
  PlainSoftmax(range.begin, weights, row);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] *= values.scales[range.begin + i];
  const auto [steps, worth] = PlainSteps(weights);
  for (size_t col = 0; col < dim; ++col) {
    int64_t sum = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      sum += steps[i] * values.codes[(range.begin + i) * dim + col];
    }
    row.out[col] = static_cast<float>(sum) * worth;
  }
  return row;
}

TEST_P(AttentionTest, Q8EqualsTheDocumentedOrder) {
  std::mt19937_64 rng(8);
  for (const size_t dim : {2, 16, 40, 100, 128}) {
    for (const Shape& shape :
         {Shape{1, 1, dim}, Shape{1, 4, dim}, Shape{7, 3, dim}, Shape{12, 4, dim}}) {
      for (const size_t window : {1, 40, 256}) {
        const size_t last = shape.positions - 1 + rng() % (kAttentionBlockTokens - shape.positions);
        AttentionProblem p = MakeProblem(shape, 1, last, window, rng);
        const std::vector<AttentionRange>& ranges = p.ranges[0];
        Q8Part keys(dim, true, rng), values(dim, false, rng);
        keys.PoisonOutside(ranges.front().begin, ranges.back().end, true);
        values.PoisonOutside(ranges.front().begin, ranges.back().end, false);
        const size_t padded = p.blocks[0].padded();
        const std::vector<const void*> key_pages = keys.Pages(), value_pages = values.Pages();
        std::vector<float> scratch(AttentionScratchFloats(shape.rows(), padded));
        SumsBuffer sums(shape.rows(), padded);
        GetParam().run_q8({p.queries.data(), p.stride(), shape.positions, shape.heads, dim, padded,
                           kScale, key_pages.data(), value_pages.data(), ranges.data(), sums.get(),
                           scratch.data(), key_pages.data()});
        std::vector<RowSums> want(shape.rows());
        for (size_t row = 0; row < want.size(); ++row) {
          want[row].out.assign(dim, 0);
          PlainMerge(PlainRowQ8(p.query(row), keys, values, ranges[row / shape.heads]), want[row]);
        }
        ExpectSame(want, sums, padded,
                   testing::PrintToString(shape.rows()) + " rows of " +
                       testing::PrintToString(dim) + ", window " + testing::PrintToString(window));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, AttentionTest, ::testing::ValuesIn(TestedAttentionKernels()),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace tern
