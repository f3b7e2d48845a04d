// SPDX-License-Identifier: MIT
// Test support: ternary matrices, their packed by the library, and products by plain sums.
#ifndef TERN_TESTS_KERNELS_TERNARY_H_
#define TERN_TESTS_KERNELS_TERNARY_H_

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "kernels/packing.h"

namespace tern {

struct TernaryMatrix {
  size_t rows;
  size_t cols;
  std::vector<int8_t> trits;  // [rows, cols]
};

inline TernaryMatrix ConstantTernary(size_t rows, size_t cols, int8_t trit) {
  return {rows, cols, std::vector<int8_t>(rows * cols, trit)};
}

inline TernaryMatrix RandomTernary(size_t rows, size_t cols, std::mt19937& rng) {
  TernaryMatrix w = ConstantTernary(rows, cols, 0);
  for (int8_t& trit : w.trits) trit = static_cast<int8_t>(static_cast<int>(rng() % 3) - 1);
  return w;
}

// Activations in [-127, 127], a quarter of them at the ends.
inline std::vector<int8_t> RandomActivations(size_t count, std::mt19937& rng) {
  std::vector<int8_t> x(count);
  for (int8_t& value : x) {
    const int random = static_cast<int>(rng() % 255) - 127;
    value = static_cast<int8_t>(rng() % 4 != 0 ? random : random < 0 ? -127 : 127);
  }
  return x;
}

// The generator of the worked examples: a linear congruence, of which the high bits are taken.
class ExampleGenerator {
 public:
  explicit ExampleGenerator(uint32_t seed) : state_(seed) {}
  int8_t Trit() { return static_cast<int8_t>(static_cast<int>(Next() % 3) - 1); }
  int8_t Int8() { return static_cast<int8_t>(static_cast<int>(Next() & 255) - 128); }

 private:
  uint32_t Next() {
    state_ = (state_ * 1103515245u + 12345u) & 0x7fffffffu;
    return state_ >> 16;
  }
  uint32_t state_;
};

inline std::vector<int8_t> ExampleTrits(size_t count, uint32_t seed) {
  ExampleGenerator generator(seed);
  std::vector<int8_t> trits(count);
  for (int8_t& trit : trits) trit = generator.Trit();
  return trits;
}

inline std::vector<uint8_t> Pack(const TernaryMatrix& w, Packing packing) {
  std::vector<uint8_t> packed(PackedBytes(packing, w.rows, w.cols));
  PackRows(packing, w.trits.data(), w.cols, 0, w.rows, packed.data());
  return packed;
}

// Copies rows of x, [tokens, cols], to rows that have a packing's padding, with rubbish in it.
inline std::vector<int8_t> WithPadding(std::span<const int8_t> x, size_t cols, size_t stride) {
  std::vector<int8_t> padded(x.size() / cols * stride, 77);
  for (size_t i = 0; i < x.size(); ++i) padded[i / cols * stride + i % cols] = x[i];
  return padded;
}

inline int32_t SumOf(std::span<const int8_t> x) {
  return std::accumulate(x.begin(), x.end(), int32_t{0});
}

// [rows]; 64-bit sums, so that an overflow would show.
inline std::vector<int32_t> PlainGemv(const TernaryMatrix& w, std::span<const int8_t> x) {
  std::vector<int32_t> sums(w.rows, 0);
  for (size_t row = 0; row < w.rows; ++row) {
    int64_t sum = 0;
    for (size_t col = 0; col < w.cols; ++col) sum += w.trits[row * w.cols + col] * x[col];
    sums[row] = static_cast<int32_t>(sum);
  }
  return sums;
}

}  // namespace tern

#endif  // TERN_TESTS_KERNELS_TERNARY_H_
