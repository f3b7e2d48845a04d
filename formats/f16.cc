// SPDX-License-Identifier: MIT
#include "formats/f16.h"

#include <bit>

namespace tern {
namespace {

constexpr uint32_t kInfinity = 0x7f800000;

}  // namespace

// Moves exponent and mantissa to their place in a float, whose exponent is then 112 too small; the
// product corrects it, for subnormals as well.
float F16ToFloat(uint16_t f16) {
  const uint32_t sign = static_cast<uint32_t>(f16 & 0x8000) << 16;
  const uint32_t moved = static_cast<uint32_t>(f16 & 0x7fff) << 13;
  const uint32_t finite = std::bit_cast<uint32_t>(std::bit_cast<float>(moved) * 0x1p112f);
  const uint32_t bits = moved < (31u << 23) ? finite : moved | kInfinity;
  return std::bit_cast<float>(sign | bits);
}

float Bf16ToFloat(uint16_t bf16) { return std::bit_cast<float>(uint32_t{bf16} << 16); }

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

uint16_t FloatToBf16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7fffffff) > kInfinity) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

}  // namespace tern
