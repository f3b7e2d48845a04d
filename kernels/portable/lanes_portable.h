// SPDX-License-Identifier: MIT
// 16 floats in an array, and binary16 by integer arithmetic, for the loops of vector_ops_inl.h and
// attention_inl.h.
#ifndef TERN_KERNELS_PORTABLE_LANES_PORTABLE_H_
#define TERN_KERNELS_PORTABLE_LANES_PORTABLE_H_

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/vector_ops_inl.h"

namespace tern {
namespace {

constexpr uint32_t kInfinity = 0x7f800000;
constexpr uint32_t kMovedInfinity = 31u << 23;  // f16's, moved by F16ToFloat
constexpr uint32_t kQuietBit = 0x00400000;      // of a NaN

// Exact. Moves exponent and mantissa to their place in a float, whose exponent is then 112 too
// small; the product corrects it, for subnormals as well. A signalling NaN becomes quiet and keeps
// its payload, as on the CPUs that do this in hardware.
float F16ToFloat(uint16_t f16) {
  const uint32_t sign = static_cast<uint32_t>(f16 & 0x8000) << 16;
  const uint32_t moved = static_cast<uint32_t>(f16 & 0x7fff) << 13;
  const uint32_t finite = std::bit_cast<uint32_t>(std::bit_cast<float>(moved) * 0x1p112f);
  const uint32_t quiet_bit = moved > kMovedInfinity ? kQuietBit : 0;
  const uint32_t special = moved | kInfinity | quiet_bit;
  return std::bit_cast<float>(sign | (moved < kMovedInfinity ? finite : special));
}

// Rounds half to even. A NaN becomes quiet and keeps the high bits of its payload.
uint16_t FloatToF16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint16_t sign = bits >> 16 & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > kInfinity) return sign | 0x7e00 | (magnitude >> 13 & 0x3ff);
  if (magnitude >= std::bit_cast<uint32_t>(65520.0f)) return sign | 0x7c00;
  if (magnitude < std::bit_cast<uint32_t>(0x1p-14f)) {
    // Subnormal: floats in [0.5, 1) are 2^-24 apart, as these are, so the addition rounds.
    const float rounded = std::bit_cast<float>(magnitude) + 0.5f;
    return sign | static_cast<uint16_t>(std::bit_cast<uint32_t>(rounded) - 0x3f000000);
  }
  const uint32_t half_to_even = 0xfff + (magnitude >> 13 & 1);
  return sign | static_cast<uint16_t>((magnitude + half_to_even - ((127 - 15) << 23)) >> 13);
}

struct PortableLanes {
  float v[kLanes];

  static PortableLanes Broadcast(float value) {
    PortableLanes result;
    for (float& lane : result.v) lane = value;
    return result;
  }
  static PortableLanes Load(const float* x) {
    PortableLanes result;
    for (size_t l = 0; l < kLanes; ++l) result.v[l] = x[l];
    return result;
  }
  static PortableLanes LoadF16(const uint16_t* x) {
    PortableLanes result;
    for (size_t l = 0; l < kLanes; ++l) result.v[l] = F16ToFloat(x[l]);
    return result;
  }
  static PortableLanes LoadBf16(const uint16_t* x) {
    PortableLanes result;
    for (size_t l = 0; l < kLanes; ++l) result.v[l] = std::bit_cast<float>(uint32_t{x[l]} << 16);
    return result;
  }
  void Store(float* x) const {
    for (size_t l = 0; l < kLanes; ++l) x[l] = v[l];
  }
  void StoreF16(uint16_t* x) const {
    for (size_t l = 0; l < kLanes; ++l) x[l] = FloatToF16(v[l]);
  }
  void StoreInt8(int8_t* x) const {
    constexpr float kShifter = 0x1.8p23f;  // floats near it are 1 apart: adding it rounds
    for (size_t l = 0; l < kLanes; ++l) x[l] = static_cast<int8_t>((v[l] + kShifter) - kShifter);
  }

  friend PortableLanes operator+(PortableLanes a, const PortableLanes& b) {
    for (size_t l = 0; l < kLanes; ++l) a.v[l] += b.v[l];
    return a;
  }
  friend PortableLanes operator-(PortableLanes a, const PortableLanes& b) {
    for (size_t l = 0; l < kLanes; ++l) a.v[l] -= b.v[l];
    return a;
  }
  friend PortableLanes operator*(PortableLanes a, const PortableLanes& b) {
    for (size_t l = 0; l < kLanes; ++l) a.v[l] *= b.v[l];
    return a;
  }
  friend PortableLanes operator/(PortableLanes a, const PortableLanes& b) {
    for (size_t l = 0; l < kLanes; ++l) a.v[l] /= b.v[l];
    return a;
  }
  static PortableLanes Times(const float* x, const PortableLanes& v) { return Broadcast(*x) * v; }
  PortableLanes Round() const {
    constexpr float kShifter = 0x1.8p23f;
    PortableLanes result;
    for (size_t l = 0; l < kLanes; ++l) result.v[l] = (v[l] + kShifter) - kShifter;
    return result;
  }
  static PortableLanes Max(PortableLanes a, const PortableLanes& b) {
    for (size_t l = 0; l < kLanes; ++l) a.v[l] = a.v[l] > b.v[l] ? a.v[l] : b.v[l];
    return a;
  }
  static PortableLanes SelectLess(PortableLanes a, const PortableLanes& b, const PortableLanes& yes,
                                  const PortableLanes& no) {
    for (size_t l = 0; l < kLanes; ++l) a.v[l] = a.v[l] < b.v[l] ? yes.v[l] : no.v[l];
    return a;
  }
  static PortableLanes ExponentBits(PortableLanes a) {
    for (float& lane : a.v) lane = std::bit_cast<float>(std::bit_cast<uint32_t>(lane) << 23);
    return a;
  }
  PortableLanes Abs() const {
    PortableLanes result;
    for (size_t l = 0; l < kLanes; ++l) result.v[l] = std::fabs(v[l]);
    return result;
  }
  float FoldSum() const {
    PortableLanes sums = *this;
    for (size_t half = kLanes / 2; half > 0; half /= 2) {
      for (size_t l = 0; l < half; ++l) sums.v[l] += sums.v[l + half];
    }
    return sums.v[0];
  }
  float FoldMax() const {
    float max = v[0];
    for (float lane : v) max = lane > max ? lane : max;
    return max;
  }
};

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_PORTABLE_LANES_PORTABLE_H_
