// SPDX-License-Identifier: MIT
// Test support: the kernels of the table, and on x86-64 those of AVX-VNNI once more, compiled for
// AVX-512, which has the same instructions in another encoding: few machines have both.
#ifndef TERN_TESTS_KERNELS_TESTED_KERNELS_H_
#define TERN_TESTS_KERNELS_TESTED_KERNELS_H_

#include <vector>

#include "kernels/registry.h"

namespace tern {

std::vector<GemvKernel> TestedGemvKernels();
std::vector<GemmKernel> TestedGemmKernels();
std::vector<GroupGemmKernel> TestedGroupGemmKernels();
std::vector<ScreenKernel> TestedScreenKernels();
std::vector<AttentionKernel> TestedAttentionKernels();
std::vector<ProbeKernel> TestedProbeKernels();

}  // namespace tern

#endif  // TERN_TESTS_KERNELS_TESTED_KERNELS_H_
