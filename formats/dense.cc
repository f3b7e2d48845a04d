// SPDX-License-Identifier: MIT
#include "formats/dense.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/log.h"
#include "formats/f16.h"

namespace tern {
namespace {

constexpr uint64_t kQ8Cols = 32, kQ8Bytes = 34;
constexpr uint64_t kQ4Cols = 32, kQ4Bytes = 18;
constexpr uint64_t kQ6Cols = 256, kQ6Bytes = 210;

uint16_t LoadU16(const uint8_t* bytes) {
  uint16_t x;
  std::memcpy(&x, bytes, sizeof(x));
  return x;
}
void StoreU16(uint16_t x, uint8_t* bytes) { std::memcpy(bytes, &x, sizeof(x)); }

// --- Q8_0: f16 scale, 32 int8 ---

void DecodeQ8(const uint8_t* block, float* out) {
  const float scale = F16ToFloat(LoadU16(block));
  const auto* codes = reinterpret_cast<const int8_t*>(block + 2);
  for (size_t i = 0; i < kQ8Cols; ++i) out[i] = static_cast<float>(codes[i]) * scale;
}

float AbsMax(const float* x, size_t n) {
  float most = 0;
  for (size_t i = 0; i < n; ++i) most = std::max(most, std::fabs(x[i]));
  return most;
}

// As ggml's reference: the scale divides before it is rounded, and halves go away from zero.
void EncodeQ8(const float* x, uint8_t* block) {
  const float scale = AbsMax(x, kQ8Cols) / 127;
  const float inverse = scale != 0 ? 1 / scale : 0;
  StoreU16(FloatToF16(scale), block);
  for (size_t i = 0; i < kQ8Cols; ++i) {
    block[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(std::round(x[i] * inverse)));
  }
}

// --- Q4_0: f16 scale, 32 codes of 4 bits, the first 16 in the low halves ---

void DecodeQ4(const uint8_t* block, float* out) {
  const float scale = F16ToFloat(LoadU16(block));
  for (size_t i = 0; i < kQ4Cols / 2; ++i) {
    const int byte = block[2 + i];
    out[i] = static_cast<float>((byte & 15) - 8) * scale;
    out[i + kQ4Cols / 2] = static_cast<float>((byte >> 4) - 8) * scale;
  }
}

// As ggml's reference: the number of largest magnitude becomes code 0, which is -8.
void EncodeQ4(const float* x, uint8_t* block) {
  float extreme = 0;
  for (size_t i = 0; i < kQ4Cols; ++i) {
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  }
  const float scale = extreme / -8;
  const float inverse = scale != 0 ? 1 / scale : 0;
  StoreU16(FloatToF16(scale), block);
  const auto code = [&](size_t i) {
    return static_cast<uint8_t>(std::min(15, static_cast<int>(x[i] * inverse + 8.5f)));
  };
  for (size_t i = 0; i < kQ4Cols / 2; ++i) {
    block[2 + i] = static_cast<uint8_t>(code(i) | code(i + kQ4Cols / 2) << 4);
  }
}

// --- Q6_K: 16 groups of 16 codes of 6 bits, an int8 scale each, and an f16 scale of those ---

constexpr size_t kQ6Low = 0;       // low 4 bits: 128 bytes
constexpr size_t kQ6High = 128;    // high 2 bits: 64 bytes
constexpr size_t kQ6Scales = 192;  // 16 bytes
constexpr size_t kQ6Scale = 208;   // f16
constexpr size_t kQ6Groups = 16;
constexpr size_t kQ6GroupCols = 16;

// Column 128 * half + 32 * quarter + i is in the low (quarter 0, 1) or high (2, 3) four bits of
// byte 64 * half + 32 * (quarter % 2) + i, and in bits 2 * quarter of byte 32 * half + i of the
// rest.
void DecodeQ6(const uint8_t* block, float* out) {
  const float scale = F16ToFloat(LoadU16(block + kQ6Scale));
  const auto* scales = reinterpret_cast<const int8_t*>(block + kQ6Scales);
  for (size_t half = 0; half < 2; ++half) {
    const uint8_t* high = block + kQ6High + 32 * half;
    for (size_t quarter = 0; quarter < 4; ++quarter) {
      const uint8_t* low = block + kQ6Low + 64 * half + 32 * (quarter % 2);
      const unsigned low_shift = quarter < 2 ? 0 : 4;
      float* to = out + 128 * half + 32 * quarter;
      for (size_t part = 0; part < 2; ++part) {
        const float group_scale = scale * static_cast<float>(scales[8 * half + 2 * quarter + part]);
        for (size_t i = 16 * part; i < 16 * (part + 1); ++i) {
          const int code = (low[i] >> low_shift & 15) | (high[i] >> 2 * quarter & 3) << 4;
          to[i] = group_scale * static_cast<float>(code - 32);
        }
      }
    }
  }
}

// The scale with which 16 numbers, as codes of -32 to 31 times it, have the least squared error,
// each number weighted by its square: of 19 scales around -32 / extreme the one whose codes fit
// best.
float FitGroup(const float* x) {
  float extreme = 0;
  for (size_t i = 0; i < kQ6GroupCols; ++i) {
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  }
  if (std::fabs(extreme) < 1e-15f) return 0;
  float best_scale = 0, best_fit = 0;
  for (int step = -9; step <= 9; ++step) {
    const float inverse = -(32 + 0.1f * static_cast<float>(step)) / extreme;
    float sum_xl = 0, sum_ll = 0;
    for (size_t i = 0; i < kQ6GroupCols; ++i) {
      const float code = std::clamp(std::nearbyint(inverse * x[i]), -32.0f, 31.0f);
      const float weight = x[i] * x[i];
      sum_xl += weight * x[i] * code;
      sum_ll += weight * code * code;
    }
    if (sum_ll > 0 && sum_xl * sum_xl > best_fit * sum_ll) {
      best_scale = sum_xl / sum_ll;
      best_fit = best_scale * sum_xl;
    }
  }
  return best_scale;
}

void StoreQ6Code(size_t col, unsigned code, uint8_t* block) {
  const size_t half = col / 128, quarter = col / 32 % 4, i = col % 32;
  block[kQ6Low + 64 * half + 32 * (quarter % 2) + i] |=
      static_cast<uint8_t>((code & 15) << (quarter < 2 ? 0 : 4));
  block[kQ6High + 32 * half + i] |= static_cast<uint8_t>(code >> 4 << 2 * quarter);
}

void EncodeQ6(const float* x, uint8_t* block) {
  std::fill_n(block, kQ6Bytes, uint8_t{0});
  float scales[kQ6Groups];
  float extreme = 0;
  for (size_t group = 0; group < kQ6Groups; ++group) {
    scales[group] = FitGroup(x + group * kQ6GroupCols);
    if (std::fabs(scales[group]) > std::fabs(extreme)) extreme = scales[group];
  }
  if (extreme == 0) {  // codes of 32 stand for 0
    for (size_t col = 0; col < kQ6Cols; ++col) StoreQ6Code(col, 32, block);
    return;
  }
  const float inverse = -128 / extreme;
  const uint16_t stored_scale = FloatToF16(1 / inverse);
  StoreU16(stored_scale, block + kQ6Scale);
  for (size_t group = 0; group < kQ6Groups; ++group) {
    const float rounded = std::min(127.0f, std::nearbyint(inverse * scales[group]));
    block[kQ6Scales + group] = static_cast<uint8_t>(static_cast<int8_t>(rounded));
    const float group_scale = F16ToFloat(stored_scale) * rounded;
    for (size_t i = 0; i < kQ6GroupCols; ++i) {
      const size_t col = group * kQ6GroupCols + i;
      const float code =
          group_scale == 0 ? 0 : std::clamp(std::nearbyint(x[col] / group_scale), -32.0f, 31.0f);
      StoreQ6Code(col, static_cast<unsigned>(static_cast<int>(code) + 32), block);
    }
  }
}

template <typename Block>
void ForBlocks(uint64_t cols, uint64_t block_cols, Block block) {
  for (uint64_t i = 0; i < cols / block_cols; ++i) block(i);
}

}  // namespace

uint64_t DenseRowBytes(TensorType type, uint64_t cols) {
  switch (type) {
    case TensorType::kF32:
      return cols * 4;
    case TensorType::kF16:
    case TensorType::kBF16:
      return cols * 2;
    case TensorType::kQ8_0:
      return cols / kQ8Cols * kQ8Bytes;
    case TensorType::kQ4_0:
      return cols / kQ4Cols * kQ4Bytes;
    case TensorType::kQ6K:
      return cols / kQ6Cols * kQ6Bytes;
    default:
      TERN_CHECK(false);
      return 0;
  }
}

void DecodeDense(TensorType type, const uint8_t* packed, uint64_t cols, float* out) {
  switch (type) {
    case TensorType::kF32:
      std::memcpy(out, packed, cols * sizeof(float));
      return;
    case TensorType::kF16:
      for (uint64_t i = 0; i < cols; ++i) out[i] = F16ToFloat(LoadU16(packed + 2 * i));
      return;
    case TensorType::kBF16:
      for (uint64_t i = 0; i < cols; ++i) out[i] = Bf16ToFloat(LoadU16(packed + 2 * i));
      return;
    case TensorType::kQ8_0:
      return ForBlocks(cols, kQ8Cols,
                       [&](uint64_t i) { DecodeQ8(packed + i * kQ8Bytes, out + i * kQ8Cols); });
    case TensorType::kQ4_0:
      return ForBlocks(cols, kQ4Cols,
                       [&](uint64_t i) { DecodeQ4(packed + i * kQ4Bytes, out + i * kQ4Cols); });
    case TensorType::kQ6K:
      return ForBlocks(cols, kQ6Cols,
                       [&](uint64_t i) { DecodeQ6(packed + i * kQ6Bytes, out + i * kQ6Cols); });
    default:
      TERN_CHECK(false);
  }
}

void EncodeDense(TensorType type, const float* x, uint64_t cols, uint8_t* packed) {
  switch (type) {
    case TensorType::kF32:
      std::memcpy(packed, x, cols * sizeof(float));
      return;
    case TensorType::kF16:
      for (uint64_t i = 0; i < cols; ++i) StoreU16(FloatToF16(x[i]), packed + 2 * i);
      return;
    case TensorType::kBF16:
      for (uint64_t i = 0; i < cols; ++i) StoreU16(FloatToBf16(x[i]), packed + 2 * i);
      return;
    case TensorType::kQ8_0:
      return ForBlocks(cols, kQ8Cols,
                       [&](uint64_t i) { EncodeQ8(x + i * kQ8Cols, packed + i * kQ8Bytes); });
    case TensorType::kQ4_0:
      return ForBlocks(cols, kQ4Cols,
                       [&](uint64_t i) { EncodeQ4(x + i * kQ4Cols, packed + i * kQ4Bytes); });
    case TensorType::kQ6K:
      return ForBlocks(cols, kQ6Cols,
                       [&](uint64_t i) { EncodeQ6(x + i * kQ6Cols, packed + i * kQ6Bytes); });
    default:
      TERN_CHECK(false);
  }
}

}  // namespace tern
