// SPDX-License-Identifier: MIT
// Loops that do nothing but read memory or multiply: what a machine can do at best, against which
// `tern bench` holds the other kernels.
#ifndef TERN_KERNELS_PROBE_H_
#define TERN_KERNELS_PROBE_H_

#include <cstddef>
#include <cstdint>

#include "kernels/cpu.h"

namespace tern {

// `read` takes whole blocks.
inline constexpr size_t kProbeBlockBytes = 1024;

// One row of the table in kernels/registry.cc.
struct ProbeKernel {
  const char* name;  // probe_<isa>
  Isa isa;
  // Int8 multiply-adds of one round of `dot`.
  size_t dot_macs;
  // Multiplies ones by ones in registers, with the instructions that the ternary kernels of this
  // instruction set are made of. Returns the sum of the products: rounds * dot_macs, modulo 2^32.
  uint32_t (*dot)(size_t rounds);
  // Reads `bytes`, a multiple of kProbeBlockBytes, at `data`, a cache line's start. Returns the XOR
  // of the 64-bit words.
  uint64_t (*read)(const uint8_t* data, size_t bytes);
};

}  // namespace tern

#endif  // TERN_KERNELS_PROBE_H_
