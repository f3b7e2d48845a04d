// SPDX-License-Identifier: MIT
#include "kernels/arm/probe_neon_inl.h"
#include "kernels/variants.h"

namespace tern {
namespace {

constexpr size_t kMacs = kSums * 2 * sizeof(int8x16_t);  // two rows of eight times two others

int32x4_t Smmla(int32x4_t sums, int8x16_t x, int8x16_t y) { return vmmlaq_s32(sums, x, y); }

}  // namespace

constinit const ProbeKernel kProbeNeonI8mm = {"probe_neoni8mm", Isa::kNeonI8mm, kMacs, Dot<Smmla>,
                                              Read};

}  // namespace tern
