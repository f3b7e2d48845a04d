// SPDX-License-Identifier: MIT
#include "kernels/arm/probe_neon_inl.h"
#include "kernels/variants.h"

namespace tern {
namespace {

constexpr size_t kMacs = kSums * sizeof(int8x16_t);

int32x4_t Sdot(int32x4_t sums, int8x16_t x, int8x16_t y) { return vdotq_s32(sums, x, y); }

}  // namespace

constinit const ProbeKernel kProbeNeonDotprod = {"probe_neondotprod", Isa::kNeonDotprod, kMacs,
                                                 Dot<Sdot>, Read};

}  // namespace tern
