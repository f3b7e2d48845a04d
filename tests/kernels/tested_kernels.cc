// SPDX-License-Identifier: MIT
#include "tests/kernels/tested_kernels.h"

#include <span>

namespace tern {

#if defined(__x86_64__)
// As tests/kernels/CMakeLists.txt renames those of kernels/variants.h.
void GemvT2R16Evex(const GemvArgs& args);
void GemmT2R16Evex(const GemmArgs& args);
void GemvB3R16Evex(const GemvArgs& args);
void GemmB3R16Evex(const GemmArgs& args);
void GroupGemmT2R16Evex(const GroupGemmArgs& args);
void ScreenQ8R16Evex(const GemmArgs& args);
extern const ProbeKernel kProbeEvex;
extern const AttentionKernel kAttentionEvex;
#endif

namespace {

template <typename Kernel>
std::vector<Kernel> With(std::span<const Kernel> table, std::vector<Kernel> more) {
  more.insert(more.begin(), table.begin(), table.end());
  return more;
}

}  // namespace

#if defined(__x86_64__)
std::vector<GemvKernel> TestedGemvKernels() {
  return With(GemvKernels(),
              {{"gemv_t2r16_evex", Isa::kAvx512Vnni, Packing::kT2R16, GemvT2R16Evex},
               {"gemv_b3r16_evex", Isa::kAvx512Vnni, Packing::kB3R16, GemvB3R16Evex}});
}
std::vector<GemmKernel> TestedGemmKernels() {
  return With(GemmKernels(),
              {{"gemm_t2r16_evex", Isa::kAvx512Vnni, Packing::kT2R16, GemmT2R16Evex},
               {"gemm_b3r16_evex", Isa::kAvx512Vnni, Packing::kB3R16, GemmB3R16Evex}});
}
std::vector<GroupGemmKernel> TestedGroupGemmKernels() {
  return With(GroupGemmKernels(),
              {{"group_gemm_t2r16_evex", Isa::kAvx512Vnni, GroupGemmT2R16Evex}});
}
std::vector<ScreenKernel> TestedScreenKernels() {
  return With(ScreenKernels(), {{"screen_q8r16_evex", Isa::kAvx512Vnni, ScreenQ8R16Evex}});
}
std::vector<AttentionKernel> TestedAttentionKernels() {
  AttentionKernel attention = kAttentionEvex;
  attention.name = "attention_evex";
  attention.isa = Isa::kAvx512Vnni;
  return With(AttentionKernels(), {attention});
}
std::vector<ProbeKernel> TestedProbeKernels() {
  ProbeKernel probe = kProbeEvex;
  probe.name = "probe_evex";
  probe.isa = Isa::kAvx512Vnni;
  return With(ProbeKernels(), {probe});
}
#else
std::vector<GemvKernel> TestedGemvKernels() { return With(GemvKernels(), {}); }
std::vector<GemmKernel> TestedGemmKernels() { return With(GemmKernels(), {}); }
std::vector<GroupGemmKernel> TestedGroupGemmKernels() { return With(GroupGemmKernels(), {}); }
std::vector<ScreenKernel> TestedScreenKernels() { return With(ScreenKernels(), {}); }
std::vector<AttentionKernel> TestedAttentionKernels() { return With(AttentionKernels(), {}); }
std::vector<ProbeKernel> TestedProbeKernels() { return With(ProbeKernels(), {}); }
#endif

}  // namespace tern
