// SPDX-License-Identifier: MIT
// Instruction sets that kernels are written for, and whether this CPU has them.
#ifndef TERN_KERNELS_CPU_H_
#define TERN_KERNELS_CPU_H_

#include <span>
#include <string>

namespace tern {

// In ascending order of preference on one architecture. A CPU that has one may lack those before
// it, but for the first two.
enum class Isa { kPortable, kAvx2, kAvxVnni, kAvx512Vnni, kAvx512Vbmi };

// Those of the architecture that this build is for, best first; portable is the last.
std::span<const Isa> Isas();

// "portable", "avx2", "avxvnni", "avx512vnni" or "avx512vbmi".
const char* IsaName(Isa isa);

// Whether this CPU and operating system can run kernels of `isa`. kAvx2 includes F16C; kAvx512Vnni
// means AVX-512 F, BW, VL and VNNI.
bool CpuSupports(Isa isa);

// The CPU's own name for itself, e.g. "AMD EPYC 9654 96-Core Processor"; "unknown" if it has none.
std::string CpuModel();

}  // namespace tern

#endif  // TERN_KERNELS_CPU_H_
