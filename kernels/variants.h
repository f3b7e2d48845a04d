// SPDX-License-Identifier: MIT
// Declares every kernel variant, for the table in registry.cc. Includes no header with inline
// functions: the files that are compiled for one instruction set include this one.
#ifndef TERN_KERNELS_VARIANTS_H_
#define TERN_KERNELS_VARIANTS_H_

#include "kernels/attention.h"
#include "kernels/gemm.h"
#include "kernels/gemv.h"
#include "kernels/group_gemm.h"
#include "kernels/probe.h"
#include "kernels/vector_ops.h"

namespace tern {

void GemvT2R16Portable(const GemvArgs& args);
void GemmT2R16Portable(const GemmArgs& args);
void GemvB3R16Portable(const GemvArgs& args);
void GemmB3R16Portable(const GemmArgs& args);
void GemvTL2R32Portable(const GemvArgs& args);
void GemmTL2R32Portable(const GemmArgs& args);
void GemvTL1R16Portable(const GemvArgs& args);
void GemmTL1R16Portable(const GemmArgs& args);
void GroupGemmT2R16Portable(const GroupGemmArgs& args);
void ScreenQ8R16Portable(const GemmArgs& args);
extern const ProbeKernel kProbePortable;
extern const VectorOps kVectorPortable;
extern const AttentionKernel kAttentionPortable;

#if defined(__x86_64__)
void GemvT2R16Avx2(const GemvArgs& args);
void GemmT2R16Avx2(const GemmArgs& args);
void GemvB3R16Avx2(const GemvArgs& args);
void GemmB3R16Avx2(const GemmArgs& args);
void GroupGemmT2R16Avx2(const GroupGemmArgs& args);
void ScreenQ8R16Avx2(const GemmArgs& args);
extern const ProbeKernel kProbeAvx2;
extern const VectorOps kVectorAvx2;
extern const AttentionKernel kAttentionAvx2;

void GemvT2R16AvxVnni(const GemvArgs& args);
void GemmT2R16AvxVnni(const GemmArgs& args);
void GemvB3R16AvxVnni(const GemvArgs& args);
void GemmB3R16AvxVnni(const GemmArgs& args);
void GroupGemmT2R16AvxVnni(const GroupGemmArgs& args);
void ScreenQ8R16AvxVnni(const GemmArgs& args);
extern const ProbeKernel kProbeAvxVnni;
extern const AttentionKernel kAttentionAvxVnni;

void GemvTL2R32Avx2(const GemvArgs& args);
void GemmTL2R32Avx2(const GemmArgs& args);

void GemvT2R16Avx512Vnni(const GemvArgs& args);
void GemmT2R16Avx512Vnni(const GemmArgs& args);
void GroupGemmT2R16Avx512Vnni(const GroupGemmArgs& args);
void ScreenQ8R16Avx512Vnni(const GemmArgs& args);
extern const ProbeKernel kProbeAvx512Vnni;
extern const VectorOps kVectorAvx512Vnni;
extern const AttentionKernel kAttentionAvx512Vnni;

void GemvTL2R32Avx512Vnni(const GemvArgs& args);
void GemmTL2R32Avx512Vnni(const GemmArgs& args);

void GemvB3R16Avx512Vbmi(const GemvArgs& args);
void GemmB3R16Avx512Vbmi(const GemmArgs& args);
#endif

#if defined(__aarch64__)
void GemvT2R16Neon(const GemvArgs& args);
void GemmT2R16Neon(const GemmArgs& args);
void GemvB3R16Neon(const GemvArgs& args);
void GemmB3R16Neon(const GemmArgs& args);
void GemvTL1R16Neon(const GemvArgs& args);
void GemmTL1R16Neon(const GemmArgs& args);
void GroupGemmT2R16Neon(const GroupGemmArgs& args);
extern const VectorOps kVectorNeon;
extern const AttentionKernel kAttentionNeon;
void ScreenQ8R16Neon(const GemmArgs& args);

void GemvT2R16NeonDotprod(const GemvArgs& args);
void GemmT2R16NeonDotprod(const GemmArgs& args);
void GemvB3R16NeonDotprod(const GemvArgs& args);
void GemmB3R16NeonDotprod(const GemmArgs& args);
void GroupGemmT2R16NeonDotprod(const GroupGemmArgs& args);
void ScreenQ8R16NeonDotprod(const GemmArgs& args);
extern const ProbeKernel kProbeNeonDotprod;
extern const AttentionKernel kAttentionNeonDotprod;

void GemmT2R16NeonI8mm(const GemmArgs& args);
void GemmB3R16NeonI8mm(const GemmArgs& args);
extern const ProbeKernel kProbeNeonI8mm;
#endif

}  // namespace tern

#endif  // TERN_KERNELS_VARIANTS_H_
