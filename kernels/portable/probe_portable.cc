// SPDX-License-Identifier: MIT
// Plain loops, for the compiler to vectorise as it can.
#include <cstring>

#include "kernels/variants.h"

namespace tern {
namespace {

constexpr size_t kLanes = 64;
constexpr size_t kSteps = 64;  // products added in 16 bits before they are widened
constexpr size_t kMacs = kLanes * kSteps;
constexpr size_t kWords = 8;  // of a cache line

uint32_t Dot(size_t rounds) {
  int8_t x[kLanes], y[kLanes];
  std::memset(x, 1, sizeof(x));
  std::memset(y, 1, sizeof(y));
  uint32_t sum = 0;
  for (size_t round = 0; round < rounds; ++round) {
    int16_t lanes[kLanes] = {};
    for (size_t step = 0; step < kSteps; ++step) {
      asm volatile("" : : "r"(x), "r"(y) : "memory");  // or the products would be computed once
      for (size_t i = 0; i < kLanes; ++i) lanes[i] = static_cast<int16_t>(lanes[i] + x[i] * y[i]);
    }
    for (const int16_t lane : lanes) sum += static_cast<uint32_t>(lane);
  }
  return sum;
}

uint64_t Read(const uint8_t* data, size_t bytes) {
  uint64_t lanes[kWords] = {};
  const auto* words = reinterpret_cast<const uint64_t*>(data);
  for (const uint64_t* end = words + bytes / sizeof(uint64_t); words != end; words += kWords) {
    for (size_t i = 0; i < kWords; ++i) lanes[i] ^= words[i];
  }
  uint64_t all = 0;
  for (const uint64_t lane : lanes) all ^= lane;
  return all;
}

}  // namespace

constinit const ProbeKernel kProbePortable = {"probe_portable", Isa::kPortable, kMacs, Dot, Read};

}  // namespace tern
