// SPDX-License-Identifier: MIT
#include "kernels/registry.h"

#include <cstdlib>
#include <limits>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "kernels/variants.h"

namespace tern {
namespace {

// To add a kernel: write its .cc, declare it in variants.h, list it in CMakeLists.txt, add a row
// here. The tests and the benchmark find it through these tables. Best first.
constexpr GemvKernel kGemvKernels[] = {
#if defined(__x86_64__)
    {"gemv_b3r16_avx512vbmi", Isa::kAvx512Vbmi, Packing::kB3R16, GemvB3R16Avx512Vbmi},
    {"gemv_t2r16_avx512vnni", Isa::kAvx512Vnni, Packing::kT2R16, GemvT2R16Avx512Vnni},
    {"gemv_tl2r32_avx512vnni", Isa::kAvx512Vnni, Packing::kTL2R32, GemvTL2R32Avx512Vnni},
    {"gemv_t2r16_avxvnni", Isa::kAvxVnni, Packing::kT2R16, GemvT2R16AvxVnni},
    {"gemv_b3r16_avxvnni", Isa::kAvxVnni, Packing::kB3R16, GemvB3R16AvxVnni},
    {"gemv_t2r16_avx2", Isa::kAvx2, Packing::kT2R16, GemvT2R16Avx2},
    {"gemv_b3r16_avx2", Isa::kAvx2, Packing::kB3R16, GemvB3R16Avx2},
    {"gemv_tl2r32_avx2", Isa::kAvx2, Packing::kTL2R32, GemvTL2R32Avx2},
#elif defined(__aarch64__)
    {"gemv_t2r16_neondotprod", Isa::kNeonDotprod, Packing::kT2R16, GemvT2R16NeonDotprod},
    {"gemv_b3r16_neondotprod", Isa::kNeonDotprod, Packing::kB3R16, GemvB3R16NeonDotprod},
    {"gemv_t2r16_neon", Isa::kNeon, Packing::kT2R16, GemvT2R16Neon},
    {"gemv_b3r16_neon", Isa::kNeon, Packing::kB3R16, GemvB3R16Neon},
    {"gemv_tl1r16_neon", Isa::kNeon, Packing::kTL1R16, GemvTL1R16Neon},
#endif
    {"gemv_t2r16_portable", Isa::kPortable, Packing::kT2R16, GemvT2R16Portable},
    {"gemv_b3r16_portable", Isa::kPortable, Packing::kB3R16, GemvB3R16Portable},
    {"gemv_tl2r32_portable", Isa::kPortable, Packing::kTL2R32, GemvTL2R32Portable},
    {"gemv_tl1r16_portable", Isa::kPortable, Packing::kTL1R16, GemvTL1R16Portable},
};

constexpr GemmKernel kGemmKernels[] = {
#if defined(__x86_64__)
    {"gemm_b3r16_avx512vbmi", Isa::kAvx512Vbmi, Packing::kB3R16, GemmB3R16Avx512Vbmi},
    {"gemm_t2r16_avx512vnni", Isa::kAvx512Vnni, Packing::kT2R16, GemmT2R16Avx512Vnni},
    {"gemm_tl2r32_avx512vnni", Isa::kAvx512Vnni, Packing::kTL2R32, GemmTL2R32Avx512Vnni},
    {"gemm_t2r16_avxvnni", Isa::kAvxVnni, Packing::kT2R16, GemmT2R16AvxVnni},
    {"gemm_b3r16_avxvnni", Isa::kAvxVnni, Packing::kB3R16, GemmB3R16AvxVnni},
    {"gemm_t2r16_avx2", Isa::kAvx2, Packing::kT2R16, GemmT2R16Avx2},
    {"gemm_b3r16_avx2", Isa::kAvx2, Packing::kB3R16, GemmB3R16Avx2},
    {"gemm_tl2r32_avx2", Isa::kAvx2, Packing::kTL2R32, GemmTL2R32Avx2},
#elif defined(__aarch64__)
    {"gemm_t2r16_neoni8mm", Isa::kNeonI8mm, Packing::kT2R16, GemmT2R16NeonI8mm},
    {"gemm_b3r16_neoni8mm", Isa::kNeonI8mm, Packing::kB3R16, GemmB3R16NeonI8mm},
    {"gemm_t2r16_neondotprod", Isa::kNeonDotprod, Packing::kT2R16, GemmT2R16NeonDotprod},
    {"gemm_b3r16_neondotprod", Isa::kNeonDotprod, Packing::kB3R16, GemmB3R16NeonDotprod},
    {"gemm_t2r16_neon", Isa::kNeon, Packing::kT2R16, GemmT2R16Neon},
    {"gemm_b3r16_neon", Isa::kNeon, Packing::kB3R16, GemmB3R16Neon},
    {"gemm_tl1r16_neon", Isa::kNeon, Packing::kTL1R16, GemmTL1R16Neon},
#endif
    {"gemm_t2r16_portable", Isa::kPortable, Packing::kT2R16, GemmT2R16Portable},
    {"gemm_b3r16_portable", Isa::kPortable, Packing::kB3R16, GemmB3R16Portable},
    {"gemm_tl2r32_portable", Isa::kPortable, Packing::kTL2R32, GemmTL2R32Portable},
    {"gemm_tl1r16_portable", Isa::kPortable, Packing::kTL1R16, GemmTL1R16Portable},
};

constexpr GroupGemmKernel kGroupGemmKernels[] = {
#if defined(__x86_64__)
    {"group_gemm_t2r16_avx512vnni", Isa::kAvx512Vnni, GroupGemmT2R16Avx512Vnni},
    {"group_gemm_t2r16_avxvnni", Isa::kAvxVnni, GroupGemmT2R16AvxVnni},
    {"group_gemm_t2r16_avx2", Isa::kAvx2, GroupGemmT2R16Avx2},
#elif defined(__aarch64__)
    {"group_gemm_t2r16_neondotprod", Isa::kNeonDotprod, GroupGemmT2R16NeonDotprod},
    {"group_gemm_t2r16_neon", Isa::kNeon, GroupGemmT2R16Neon},
#endif
    {"group_gemm_t2r16_portable", Isa::kPortable, GroupGemmT2R16Portable},
};

constexpr ScreenKernel kScreenKernels[] = {
#if defined(__x86_64__)
    {"screen_q8r16_avx512vnni", Isa::kAvx512Vnni, ScreenQ8R16Avx512Vnni},
    {"screen_q8r16_avxvnni", Isa::kAvxVnni, ScreenQ8R16AvxVnni},
    {"screen_q8r16_avx2", Isa::kAvx2, ScreenQ8R16Avx2},
#elif defined(__aarch64__)
    {"screen_q8r16_neondotprod", Isa::kNeonDotprod, ScreenQ8R16NeonDotprod},
    {"screen_q8r16_neon", Isa::kNeon, ScreenQ8R16Neon},
#endif
    {"screen_q8r16_portable", Isa::kPortable, ScreenQ8R16Portable},
};

constexpr char kFullHead[] = "full_head";

bool Serves(Isa kernel, Isa isa) { return kernel <= isa && CpuSupports(kernel); }

// The first of `table` of an instruction set up to `isa` for which `fits` holds.
template <typename Kernel, typename Fits>
Kernel Find(std::span<const Kernel> table, Isa isa, Fits fits) {
  for (const Kernel& kernel : table) {
    if (Serves(kernel.isa, isa) && fits(kernel)) return kernel;
  }
  TERN_CHECK(false);  // each table has portable kernels for everything
  return table.back();
}

template <typename Kernel>
Kernel Find(std::span<const Kernel> table, Isa isa) {
  return Find(table, isa, [](const Kernel&) { return true; });
}

std::optional<Isa> FindIsa(absl::string_view name) {
  for (const Isa isa : Isas()) {
    if (name == IsaName(isa)) return isa;
  }
  return std::nullopt;
}

std::optional<Packing> FindPacking(absl::string_view name) {
  for (const PackingInfo& info : Packings()) {
    if (name == info.name) return info.packing;
  }
  return std::nullopt;
}

absl::Status UnknownName(absl::string_view name) {
  std::string known;
  for (const Isa isa : Isas()) absl::StrAppend(&known, IsaName(isa), ", ");
  for (const PackingInfo& info : Packings()) absl::StrAppend(&known, info.name, ", ");
  absl::StrAppend(&known, kFullHead);
  return absl::InvalidArgumentError(
      absl::StrCat("kernel: found \"", name, "\", want one of ", known));
}

// What a user asks for.
struct Wanted {
  std::optional<Isa> isa;
  std::optional<Packing> packing;
  bool full_head = false;
};

absl::StatusOr<Wanted> ParseWanted(const std::string& names) {
  Wanted wanted;
  for (const absl::string_view name : absl::StrSplit(names, ',', absl::SkipEmpty())) {
    if (const std::optional<Isa> isa = FindIsa(name)) {
      wanted.isa = isa;
    } else if (const std::optional<Packing> packing = FindPacking(name)) {
      wanted.packing = packing;
    } else if (name == kFullHead) {
      wanted.full_head = true;
    } else {
      return UnknownName(name);
    }
  }
  return wanted;
}

Isa BestIsa() {
  for (const Isa isa : Isas()) {
    if (CpuSupports(isa)) return isa;
  }
  return Isa::kPortable;
}

}  // namespace

std::span<const GemvKernel> GemvKernels() { return kGemvKernels; }

std::span<const GemmKernel> GemmKernels() { return kGemmKernels; }

std::span<const GroupGemmKernel> GroupGemmKernels() { return kGroupGemmKernels; }

std::span<const ScreenKernel> ScreenKernels() { return kScreenKernels; }

std::span<const VectorOps> VectorOpsTable() {
  // Copies data only: no function of a file compiled for one instruction set runs before
  // CpuSupports was asked.
  static const VectorOps kTable[] = {
#if defined(__x86_64__)
    kVectorAvx512Vnni,
    kVectorAvx2,
#elif defined(__aarch64__)
    kVectorNeon,
#endif
    kVectorPortable,
  };
  return kTable;
}

std::span<const AttentionKernel> AttentionKernels() {
  static const AttentionKernel kTable[] = {
#if defined(__x86_64__)
    kAttentionAvx512Vnni,
    kAttentionAvxVnni,
    kAttentionAvx2,
#elif defined(__aarch64__)
    kAttentionNeonDotprod,
    kAttentionNeon,
#endif
    kAttentionPortable,
  };
  return kTable;
}

std::span<const ProbeKernel> ProbeKernels() {
  static const ProbeKernel kTable[] = {
#if defined(__x86_64__)
    kProbeAvx512Vnni,
    kProbeAvxVnni,
    kProbeAvx2,
#elif defined(__aarch64__)
    kProbeNeonI8mm,
    kProbeNeonDotprod,
#endif
    kProbePortable,
  };
  return kTable;
}

std::string MatrixKernels::ToString() const {
  return absl::StrCat(one.name, " ", few.name, " ", many.name);
}

MatrixKernels BestKernels(Packing packing, Isa isa) {
  const auto fits = [packing](const auto& kernel) { return kernel.packing == packing; };
  const GemmKernel gemm = Find(GemmKernels(), isa, fits);
  return {Find(GemvKernels(), isa, fits), gemm, gemm};
}

absl::StatusOr<Kernels> ChooseKernels(const std::string& wanted) {
  std::string names = wanted;
  if (names.empty()) {
    const char* from_environment = std::getenv("TERN_KERNEL");
    if (from_environment != nullptr) names = from_environment;
  }
  TERN_ASSIGN_OR_RETURN(const Wanted parsed, ParseWanted(names));
  const Isa isa = parsed.isa.value_or(BestIsa());
  if (!CpuSupports(isa)) {
    return absl::FailedPreconditionError(
        absl::StrCat("kernel instruction set ", IsaName(isa), ": this CPU cannot run it"));
  }
  return Kernels{
      .isa = isa,
      .matrix = BestKernels(parsed.packing.value_or(Packing::kT2R16), isa),
      .is_forced = parsed.isa || parsed.packing,
      .group_gemm = Find(GroupGemmKernels(), isa),
      .screen = Find(ScreenKernels(), isa),
      .screen_from_rows = parsed.full_head ? std::numeric_limits<size_t>::max() : kScreenFromRows,
      .ops = Find(VectorOpsTable(), isa),
      .attention = Find(AttentionKernels(), isa)};
}

}  // namespace tern
