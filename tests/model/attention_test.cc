// SPDX-License-Identifier: MIT
// A batch's attention over contexts of several blocks: right, and the same bits for every number of
// threads and every mix of rows.
#include "model/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include "kernels/registry.h"
#include "model/local_pages.h"
#include "tests/support/random_model.h"

namespace tern {
namespace {

struct Shape {
  uint32_t heads, kv_heads, head_dim, window;
};

// Sequences of random keys and values in a cache of one layer, and a query for every token.
class Model {
 public:
  Model(const Shape& shape, KvType type, const std::vector<uint32_t>& lengths)
      : config_(Config(shape)),
        where_{0, shape.kv_heads, shape.heads / shape.kv_heads, shape.head_dim, shape.window, 0.2f},
        cache_(KvCache::Create(config_, 1, 200, type).value()) {
    std::mt19937_64 rng(11);
    std::normal_distribution<float> normal;
    for (SequenceId id = 0; id < lengths.size(); ++id) {
      EXPECT_TRUE(pages_.Reserve(cache_, id, lengths[id]).ok());
    }
    for (SequenceId id = 0; id < lengths.size(); ++id) {
      Sequence& sequence = sequences_.emplace_back();
      for (uint32_t position = 0; position < lengths[id]; ++position) {
        sequence.rows.push_back({position, cache_.PageTable(id).data()});
        std::vector<float>* const vectors[] = {&sequence.queries, &sequence.keys, &sequence.values};
        for (std::vector<float>* vector : vectors) {
          const size_t width = vector == &sequence.queries ? config_.q_dim() : config_.kv_dim();
          for (size_t i = 0; i < width; ++i) vector->push_back(normal(rng));
        }
        StoreKeyValue(kernels_.ops, sequence.rows.back(), where_,
                      sequence.keys.data() + position * config_.kv_dim(),
                      sequence.values.data() + position * config_.kv_dim(), cache_);
      }
    }
  }

  // Rows [begin, end) of a sequence.
  struct Part {
    size_t sequence;
    uint32_t begin, end;
  };

  // [rows of all parts, q_dim]
  std::vector<float> Attend(const std::vector<Part>& parts, size_t threads) const {
    std::vector<BatchRow> batch;
    std::vector<float> queries;
    const size_t width = config_.q_dim();
    for (const Part& part : parts) {
      const Sequence& from = sequences_[part.sequence];
      batch.insert(batch.end(), from.rows.begin() + part.begin, from.rows.begin() + part.end);
      queries.insert(queries.end(),
                     from.queries.begin() + static_cast<ptrdiff_t>(part.begin * width),
                     from.queries.begin() + static_cast<ptrdiff_t>(part.end * width));
    }
    std::vector<AttentionScratch> scratch;
    for (size_t i = 0; i < threads; ++i) scratch.emplace_back(config_);
    std::vector<float> out(queries.size());
    const BatchAttention attention(kernels_.attention, batch, where_, cache_, scratch,
                                   queries.data(), out.data());
    for (size_t thread = 0; thread < threads; ++thread) attention.Run(thread);
    for (size_t thread = 0; thread < threads; ++thread) attention.Finish(thread);
    return out;
  }

  // One row, in double.
  std::vector<double> Plain(size_t sequence, uint32_t position) const {
    const Sequence& s = sequences_[sequence];
    const size_t dim = config_.head_dim, kv_dim = config_.kv_dim();
    const uint32_t window = where_.window == 0 ? position + 1 : where_.window;
    std::vector<double> out(config_.q_dim(), 0);
    for (size_t head = 0; head < config_.heads; ++head) {
      const size_t kv = head / where_.group * dim;
      const float* query = s.queries.data() + position * config_.q_dim() + head * dim;
      double total = 0;
      for (size_t t = position + 1 - std::min(window, position + 1); t <= position; ++t) {
        double score = 0;
        for (size_t i = 0; i < dim; ++i) score += double{query[i]} * s.keys[t * kv_dim + kv + i];
        const double weight = std::exp(score * double{where_.scale});
        total += weight;
        for (size_t i = 0; i < dim; ++i)
          out[head * dim + i] += weight * s.values[t * kv_dim + kv + i];
      }
      for (size_t i = 0; i < dim; ++i) out[head * dim + i] /= total;
    }
    return out;
  }

  size_t width() const { return config_.q_dim(); }

 private:
  struct Sequence {
    std::vector<BatchRow> rows;
    std::vector<float> queries;  // [tokens, q_dim]
    std::vector<float> keys;     // [tokens, kv_dim]
    std::vector<float> values;   // [tokens, kv_dim]
  };

  static ModelConfig Config(const Shape& shape) {
    ModelConfig config = SmallConfig();
    config.heads = shape.heads;
    config.kv_heads = shape.kv_heads;
    config.head_dim = shape.head_dim;
    config.context = 1024;
    return config;
  }

  const ModelConfig config_;
  const KvLayer where_;
  const Kernels kernels_ = ChooseKernels().value();
  KvCache cache_;
  LocalPages pages_{200};
  std::vector<Sequence> sequences_;
};

constexpr Shape kShapes[] = {
    {4, 1, 32, 0}, {3, 3, 20, 0}, {8, 2, 16, 100}, {4, 2, 16, 300}, {100, 2, 16, 0}, {53, 1, 16, 0},
};
constexpr uint32_t kLong = 530;  // three blocks
constexpr uint32_t kShort = 90;

std::string Name(const Shape& shape) {
  return std::to_string(shape.heads) + " heads, " + std::to_string(shape.kv_heads) +
         " of keys, of " + std::to_string(shape.head_dim) + ", window " +
         std::to_string(shape.window);
}

// Keys and values are normal numbers, so the largest of a q8 vector is about 3 and a step of it
// about 0.02.
TEST(AttentionTest, IsTheSoftmaxOverTheWindow) {
  const std::pair<KvType, double> tolerances[] = {
      {KvType::kF32, 5e-6}, {KvType::kF16, 2e-3}, {KvType::kQ8, 0.02}};
  for (const Shape& shape : kShapes) {
    for (const auto& [type, tolerance] : tolerances) {
      const Model model(shape, type, {kShort, kLong});
      for (const uint32_t position : {0u, 31u, 255u, 256u, 515u, kLong - 1}) {
        const std::vector<float> found = model.Attend({{1, position, position + 1}}, 1);
        const std::vector<double> want = model.Plain(1, position);
        for (size_t i = 0; i < want.size(); ++i) {
          ASSERT_NEAR(found[i], want[i], tolerance)
              << Name(shape) << ", " << KvTypeName(type) << ", position " << position;
        }
      }
    }
  }
}

// Every row by itself on one thread against batches of all sorts on several.
TEST(AttentionTest, SameBitsForEveryBatchAndNumberOfThreads) {
  const std::vector<std::vector<Model::Part>> batches = {
      {{1, kLong - 1, kLong}},
      {{1, 0, kLong}},
      {{0, 3, 4}, {1, 250, 270}},
      {{1, 511, 525}, {0, kShort - 1, kShort}, {2, 0, kShort}},
  };
  for (const Shape& shape : kShapes) {
    for (const KvType type : {KvType::kF16, KvType::kF32, KvType::kQ8}) {
      const Model model(shape, type, {kShort, kLong, kShort});
      std::vector<std::vector<float>> alone[3];
      for (size_t sequence = 0; sequence < 3; ++sequence) {
        for (uint32_t i = 0; i < (sequence == 1 ? kLong : kShort); ++i) {
          alone[sequence].push_back(model.Attend({{sequence, i, i + 1}}, 1));
        }
      }
      for (const std::vector<Model::Part>& batch : batches) {
        std::vector<float> want;
        for (const Model::Part& part : batch) {
          for (uint32_t i = part.begin; i < part.end; ++i) {
            const std::vector<float>& row = alone[part.sequence][i];
            want.insert(want.end(), row.begin(), row.end());
          }
        }
        for (const size_t threads : {1, 2, 3, 16}) {
          EXPECT_EQ(model.Attend(batch, threads), want)
              << Name(shape) << ", " << threads << " threads";
        }
      }
    }
  }
}

}  // namespace
}  // namespace tern
