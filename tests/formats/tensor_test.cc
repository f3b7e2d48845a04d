// SPDX-License-Identifier: MIT
#include "formats/tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tern {
namespace {

using Shape = std::vector<uint64_t>;

absl::StatusOr<uint64_t> Bytes(TensorType type, const Shape& shape) {
  return TensorBytes(type, shape);
}

TEST(TensorTest, NamesTypes) {
  EXPECT_EQ(TensorTypeName(TensorType::kF32), "F32");
  EXPECT_EQ(TensorTypeName(TensorType::kF16), "F16");
  EXPECT_EQ(TensorTypeName(TensorType::kI2S), "I2_S");
  EXPECT_EQ(TensorTypeName(static_cast<TensorType>(13)), "type 13");
  EXPECT_EQ(TensorTypeName(TensorType::kQ6K), "Q6_K");
}

TEST(TensorTest, CountsBytes) {
  EXPECT_EQ(*Bytes(TensorType::kF32, {2560}), 10240u);
  EXPECT_EQ(*Bytes(TensorType::kF16, {2560, 128256}), 656670720u);
  EXPECT_EQ(*Bytes(TensorType::kI2S, {128, 1}), 64u);
  EXPECT_EQ(*Bytes(TensorType::kI2S, {6912, 2560}), 6912u * 2560 / 4 + 32);
  EXPECT_EQ(*Bytes(TensorType::kF32, {}), 4u);  // a scalar
  EXPECT_EQ(*Bytes(TensorType::kF16, {0, 3}), 0u);
}

TEST(TensorTest, KnowsTheLimitOfSize) {
  EXPECT_EQ(*Bytes(TensorType::kF16, {uint64_t{1} << 62}), uint64_t{1} << 63);
  for (const TensorType type : {TensorType::kF32, TensorType::kF16, TensorType::kI2S}) {
    for (const Shape& shape :
         {Shape{uint64_t{1} << 63, 4}, Shape{uint64_t{1} << 32, uint64_t{1} << 32},
          Shape{~uint64_t{0}, ~uint64_t{0}}, Shape{uint64_t{3} << 62}}) {
      EXPECT_TRUE(absl::IsInvalidArgument(Bytes(type, shape).status()));
    }
  }
  EXPECT_TRUE(absl::IsInvalidArgument(Bytes(TensorType::kF32, {uint64_t{1} << 62}).status()));
}

TEST(TensorTest, RefusesWhatItCannotCount) {
  EXPECT_EQ(Bytes(TensorType::kI2S, {8640, 3}).status().message(),
            "I2_S elements: found 25920, want a multiple of 128");
  EXPECT_TRUE(absl::IsInvalidArgument(Bytes(TensorType::kI2S, {}).status()));
  EXPECT_EQ(
      Bytes(static_cast<TensorType>(13), {256}).status().message(),
      "tensor type: found 13, want one of F32, F16, BF16, Q4_0, Q8_0, Q6_K, TQ1_0, TQ2_0, I2_S, "
      "Q2_0, IQ1_BN, IQ2_BN, PQ2_0, PTQ1_0");
}

TEST(TensorTest, ReadsVectorsAsOneRow) {
  TensorInfo info;
  info.shape = {7};
  EXPECT_EQ(info.cols(), 7u);
  EXPECT_EQ(info.rows(), 1u);
  info.shape = {7, 3};
  EXPECT_EQ(info.rows(), 3u);
}

}  // namespace
}  // namespace tern
