// SPDX-License-Identifier: MIT
// Instruction sets that kernels are written for, and whether this CPU has them.
#ifndef TERN_KERNELS_CPU_H_
#define TERN_KERNELS_CPU_H_

namespace tern {

// In ascending order of preference on one architecture.
enum class Isa { kPortable, kAvx2, kAvx512Vnni };

// "portable", "avx2" or "avx512vnni".
const char* IsaName(Isa isa);

// Whether this CPU and operating system can run kernels of `isa`. kAvx2 includes F16C; kAvx512Vnni
// means AVX-512 F, BW, VL and VNNI.
bool CpuSupports(Isa isa);

}  // namespace tern

#endif  // TERN_KERNELS_CPU_H_
