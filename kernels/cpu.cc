// SPDX-License-Identifier: MIT
#include "kernels/cpu.h"

#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>

#include <fstream>
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
#elif defined(__aarch64__)
constexpr Isa kIsas[] = {Isa::kNeonI8mm, Isa::kNeonDotprod, Isa::kNeon, Isa::kPortable};

// Linux's numbers, which older headers lack.
constexpr unsigned long kHwcapAsimdDotprod = 1ul << 20;
constexpr unsigned long kHwcap2I8mm = 1ul << 13;

// What stands behind the colon in the first line of /proc/cpuinfo that begins with `key`; empty if
// there is none.
std::string CpuInfo(const std::string& key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.rfind(key, 0) == 0 && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "";
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
    case Isa::kNeon:
      return "neon";
    case Isa::kNeonDotprod:
      return "neondotprod";
    case Isa::kNeonI8mm:
      return "neoni8mm";
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
#elif defined(__aarch64__)
    case Isa::kNeon:
      return true;
    case Isa::kNeonDotprod:
      return (getauxval(AT_HWCAP) & kHwcapAsimdDotprod) != 0;
    case Isa::kNeonI8mm:
      return CpuSupports(Isa::kNeonDotprod) && (getauxval(AT_HWCAP2) & kHwcap2I8mm) != 0;
#endif
    default:  // of another architecture
      return false;
  }
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
#elif defined(__aarch64__)
  const std::string model = CpuInfo("model name");
  if (!model.empty()) return model;
  const std::string implementer = CpuInfo("CPU implementer");
  if (!implementer.empty()) {
    return "ARM implementer " + implementer + " part " + CpuInfo("CPU part");
  }
#endif
  return "unknown";
}

}  // namespace tern
