// SPDX-License-Identifier: MIT
#include "model/embedding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "tests/model/head_rows.h"

namespace tern {
namespace {

// However many tokens share a pass over the rows, each gets the plain dot product's bits.
TEST(EmbeddingTest, ManyTokensGetTheLogitsOfEachAlone) {
  const VectorOps ops = ChooseKernels()->ops;
  std::mt19937 rng(11);
  for (const TensorType type : {TensorType::kF16, TensorType::kBF16, TensorType::kF32}) {
    for (const size_t cols : {4, 260, 2304}) {
      const EmbeddingTable table = MakeHead(type, RowKind::kMixed, 37, cols, rng);
      std::vector<float> scratch(kDotRows * cols), row(cols);
      for (const size_t tokens : {1, 3, 4, 5, 11, 64}) {
        std::vector<float> x;
        for (size_t i = 0; i < tokens; ++i) {
          const std::vector<float> input = MakeInput(InputKind::kGaussian, cols, rng);
          x.insert(x.end(), input.begin(), input.end());
        }
        constexpr float kUntouched = -7;
        std::vector<float> logits(tokens * table.rows, kUntouched);
        DotRows(table, {2, 36}, x.data(), tokens, ops, scratch.data(), logits.data());
        for (size_t i = 0; i < logits.size(); ++i) {
          const size_t r = i % table.rows;
          LookUp(table, r, ops, {}, row.data());
          const float want = r < 2 || r >= 36
                                 ? kUntouched
                                 : ops.dot(row.data(), x.data() + i / table.rows * cols, cols);
          ASSERT_EQ(logits[i], want) << "row " << r << " of token " << i / table.rows;
        }
      }
    }
  }
}

}  // namespace
}  // namespace tern
