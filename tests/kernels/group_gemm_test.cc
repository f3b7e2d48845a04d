// SPDX-License-Identifier: MIT
// Every group kernel against the plain sum, to the bit.
#include "kernels/group_gemm.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "kernels/packing.h"
#include "kernels/t2r16.h"
#include "tests/kernels/tested_kernels.h"

namespace tern {
namespace {

struct Problem {
  size_t rows, cols, group_cols, tokens;
  std::vector<int8_t> trits;    // [rows, cols]
  std::vector<uint8_t> packed;  // T2R16
  std::vector<float> scales;    // [row groups, groups, 16]
  std::vector<int8_t> x[kWideDigits];
  std::vector<int32_t> sums;

  size_t groups() const { return cols / group_cols; }
  size_t padded_rows() const { return (rows + kT2R16Rows - 1) / kT2R16Rows * kT2R16Rows; }

  int Value(size_t at) const { return (x[0][at] * kWideBase + x[1][at]) * kWideBase + x[2][at]; }

  float Want(size_t token, size_t row) const {
    float out = 0;
    for (size_t group = 0; group < groups(); ++group) {
      int64_t sum = 0;
      for (size_t col = group * group_cols; col < (group + 1) * group_cols; ++col) {
        const size_t at = token * cols + col;
        sum += trits[row * cols + col] * Value(at);
      }
      const size_t scale = (row / kT2R16Rows * groups() + group) * kT2R16Rows + row % kT2R16Rows;
      const float product = scales[scale] * static_cast<float>(sum);
      out += product;
    }
    return out;
  }
};

// Of extreme numbers alone, or of any.
Problem RandomProblem(size_t rows, size_t group_cols, size_t groups, size_t tokens, bool extreme,
                      std::mt19937_64& rng) {
  Problem p{rows, group_cols * groups, group_cols, tokens, {}, {}, {}, {}, {}};
  const int8_t sign = rng() % 2 == 0 ? 1 : -1;
  for (size_t i = 0; i < rows * p.cols; ++i) {
    p.trits.push_back(extreme ? sign : static_cast<int8_t>(rng() % 3) - 1);
  }
  p.packed.resize(PackedBytes(Packing::kT2R16, rows, p.cols));
  PackRows(Packing::kT2R16, p.trits.data(), p.cols, 0, rows, p.packed.data());
  for (size_t i = 0; i < p.padded_rows() * groups; ++i) {
    p.scales.push_back(static_cast<float>(rng() % 4096) / 65536);
  }
  // Digits of numbers up to kWideMax.
  const int most[kWideDigits] = {126, 44, 58};
  for (size_t i = 0; i < tokens * p.cols; ++i) {
    for (int digit = 0; digit < kWideDigits; ++digit) {
      const int range = digit == 0 ? 125 : 89;
      const int any = static_cast<int>(rng() % (2 * range + 1)) - range;
      p.x[digit].push_back(static_cast<int8_t>(extreme ? most[digit] : any));
    }
  }
  for (size_t i = 0; i < tokens * groups; ++i) {
    int32_t sum = 0;
    for (size_t col = 0; col < group_cols; ++col) {
      sum += p.Value(i * group_cols + col);
    }
    p.sums.push_back(sum);
  }
  return p;
}

void ExpectExact(const GroupGemmKernel& kernel, const Problem& p) {
  const size_t stride = p.padded_rows() + 3;
  std::vector<float> out(p.tokens * stride, -1);
  kernel.run({p.packed.data(),
              p.scales.data(),
              {p.x[0].data(), p.x[1].data(), p.x[2].data()},
              p.cols,
              p.sums.data(),
              out.data(),
              stride,
              p.rows,
              p.cols,
              p.group_cols,
              p.tokens});
  for (size_t token = 0; token < p.tokens; ++token) {
    for (size_t row = 0; row < p.rows; ++row) {
      ASSERT_EQ(out[token * stride + row], p.Want(token, row))
          << kernel.name << ": " << p.rows << " rows, " << p.cols << " columns in groups of "
          << p.group_cols << ", token " << token << " of " << p.tokens << ", row " << row;
    }
    ASSERT_EQ(out[token * stride + p.padded_rows()], -1) << "wrote past the rows";
  }
}

TEST(GroupGemmTest, EqualsThePlainSum) {
  constexpr uint64_t kSeed = 128;
  for (const GroupGemmKernel& kernel : TestedGroupGemmKernels()) {
    if (!CpuSupports(kernel.isa)) continue;
    std::mt19937_64 rng(kSeed);
    for (const size_t group_cols : {16, 64, 128, 256}) {
      for (const size_t tokens : {1, 2, 3, 4, 5, 9}) {
        for (const size_t rows : {1, 16, 40}) {
          ExpectExact(kernel, RandomProblem(rows, group_cols, 3, tokens, false, rng));
        }
      }
    }
  }
}

// Where sums are largest: 256 columns of 4,000,000.
TEST(GroupGemmTest, HoldsTheLargestSums) {
  for (const GroupGemmKernel& kernel : TestedGroupGemmKernels()) {
    if (!CpuSupports(kernel.isa)) continue;
    std::mt19937_64 rng(7);
    for (int round = 0; round < 8; ++round) {
      ExpectExact(kernel, RandomProblem(32, 256, 2, 3, true, rng));
    }
  }
}

}  // namespace
}  // namespace tern
