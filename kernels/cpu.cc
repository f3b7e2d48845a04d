// SPDX-License-Identifier: MIT
#include "kernels/cpu.h"

#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace tern {
namespace {

#if defined(__x86_64__)
constexpr Isa kIsas[] = {Isa::kAvx512Vbmi, Isa::kAvx512Vnni, Isa::kAvxVnni, Isa::kAvx2,
                         Isa::kPortable};

// clang 14's __builtin_cpu_supports does not know "f16c". The operating system's part, saving ymm
// registers, is that of AVX2.
bool HasF16c() {
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

// Neither does clang's know "avxvnni".
bool HasAvxVnni() {
  unsigned eax, ebx, ecx, edx;
  constexpr unsigned kAvxVnniBit = 1u << 4;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & kAvxVnniBit) != 0;
}
#else
constexpr Isa kIsas[] = {Isa::kPortable};
#endif

}  // namespace

std::span<const Isa> Isas() { return kIsas; }

const char* IsaName(Isa isa) {
  switch (isa) {
    case Isa::kPortable:
      return "portable";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvxVnni:
      return "avxvnni";
    case Isa::kAvx512Vnni:
      return "avx512vnni";
    case Isa::kAvx512Vbmi:
      return "avx512vbmi";
  }
  return "unknown";
}

bool CpuSupports(Isa isa) {
  switch (isa) {
    case Isa::kPortable:
      return true;
#if defined(__x86_64__)
    // __builtin_cpu_supports also asks whether the operating system saves the registers.
    case Isa::kAvx2:
      return __builtin_cpu_supports("avx2") && HasF16c();
    case Isa::kAvxVnni:
      return CpuSupports(Isa::kAvx2) && HasAvxVnni();
    case Isa::kAvx512Vnni:
      return CpuSupports(Isa::kAvx2) && __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512vnni");
    case Isa::kAvx512Vbmi:
      return CpuSupports(Isa::kAvx512Vnni) && __builtin_cpu_supports("avx512vbmi");
#else
    default:
      return false;
#endif
  }
  return false;
}

std::string CpuModel() {
#if defined(__x86_64__)
  // The brand string: three leaves of 16 bytes.
  unsigned words[12] = {};
  for (unsigned leaf = 0; leaf < 3; ++leaf) {
    unsigned* to = words + 4 * leaf;
    if (__get_cpuid(0x80000002u + leaf, to, to + 1, to + 2, to + 3) == 0) return "unknown";
  }
  char name[sizeof(words) + 1] = {};
  std::memcpy(name, words, sizeof(words));
  std::string model = name;
  model.erase(0, model.find_first_not_of(' '));
  model.erase(model.find_last_not_of(' ') + 1);
  if (!model.empty()) return model;
#endif
  return "unknown";
}

}  // namespace tern
