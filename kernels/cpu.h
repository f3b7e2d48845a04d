// SPDX-License-Identifier: MIT
// Instruction sets that kernels are written for, and whether this CPU has them.
#ifndef TERN_KERNELS_CPU_H_
#define TERN_KERNELS_CPU_H_

#include <span>
#include <string>

namespace tern {

// In ascending order of preference on one architecture. A CPU that has one may lack those before
// it, but for the first two.
enum class Isa {
  kPortable,
  // x86-64
  kAvx2,
  kAvxVnni,
  kAvx512Vnni,
  kAvx512Vbmi,
  // 64-bit ARM
  kNeon,
  kNeonDotprod,
  kNeonI8mm,
};

// Those of the architecture that this build is for, best first; portable is the last.
std::span<const Isa> Isas();

// As kernels' names end in it: "portable", "avx2", "neondotprod", ...
const char* IsaName(Isa isa);

// Whether this CPU and operating system can run kernels of `isa`. kAvx2 includes F16C; kAvx512Vnni
// means AVX-512 F, BW, VL and VNNI. Every 64-bit ARM CPU runs kNeon.
bool CpuSupports(Isa isa);

// The CPU's own name for itself, e.g. "AMD EPYC 9654 96-Core Processor", or on ARM, where
// most have none, "ARM implementer 0x41 part 0xd40". "unknown" if there is neither.
std::string CpuModel();

}  // namespace tern

#endif  // TERN_KERNELS_CPU_H_
