// SPDX-License-Identifier: MIT
#include "kernels/registry.h"

#include <cstdlib>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/variants.h"

namespace tern {
namespace {

// To add a kernel: write its .cc, declare it in variants.h, list it in CMakeLists.txt, add a row
// here. The tests and the benchmark find it through these tables. Best first.
constexpr GemvKernel kGemvKernels[] = {
#if defined(__x86_64__)
    {"gemv_t2r16_avx512vnni", Isa::kAvx512Vnni, GemvT2R16Avx512Vnni},
    {"gemv_t2r16_avx2", Isa::kAvx2, GemvT2R16Avx2},
#endif
    {"gemv_t2r16_portable", Isa::kPortable, GemvT2R16Portable},
};

constexpr GemmKernel kGemmKernels[] = {
#if defined(__x86_64__)
    {"gemm_t2r16_avx512vnni", Isa::kAvx512Vnni, GemmT2R16Avx512Vnni},
    {"gemm_t2r16_avx2", Isa::kAvx2, GemmT2R16Avx2},
#endif
    {"gemm_t2r16_portable", Isa::kPortable, GemmT2R16Portable},
};

constexpr GroupGemmKernel kGroupGemmKernels[] = {
#if defined(__x86_64__)
    {"group_gemm_t2r16_avx512vnni", Isa::kAvx512Vnni, GroupGemmT2R16Avx512Vnni},
    {"group_gemm_t2r16_avx2", Isa::kAvx2, GroupGemmT2R16Avx2},
#endif
    {"group_gemm_t2r16_portable", Isa::kPortable, GroupGemmT2R16Portable},
};

// The kernel of `isa` or, where the table has none, the best that this CPU can run.
template <typename Kernel>
Kernel Find(std::span<const Kernel> table, Isa isa) {
  for (const Kernel& kernel : table) {
    if (kernel.isa == isa) return kernel;
  }
  for (const Kernel& kernel : table) {
    if (CpuSupports(kernel.isa)) return kernel;
  }
  return table.back();
}

Isa BestIsa() {
  for (const GemvKernel& kernel : kGemvKernels) {
    if (CpuSupports(kernel.isa)) return kernel.isa;
  }
  return Isa::kPortable;
}

absl::StatusOr<Isa> ParseIsa(const std::string& name) {
  std::string known;
  for (const GemvKernel& kernel : kGemvKernels) {
    if (name == IsaName(kernel.isa)) return kernel.isa;
    absl::StrAppend(&known, known.empty() ? "" : ", ", IsaName(kernel.isa));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("kernel instruction set: found \"", name, "\", want one of ", known));
}

}  // namespace

std::span<const GemvKernel> GemvKernels() { return kGemvKernels; }

std::span<const GemmKernel> GemmKernels() { return kGemmKernels; }

std::span<const GroupGemmKernel> GroupGemmKernels() { return kGroupGemmKernels; }

std::span<const VectorOps> VectorOpsTable() {
  // Copies data only: no function of a file compiled for one instruction set runs before
  // CpuSupports was asked.
  static const VectorOps kTable[] = {
#if defined(__x86_64__)
    kVectorAvx512Vnni,
    kVectorAvx2,
#endif
    kVectorPortable,
  };
  return kTable;
}

absl::StatusOr<Kernels> ChooseKernels(const std::string& isa_name) {
  std::string name = isa_name;
  if (name.empty()) {
    const char* from_environment = std::getenv("TERN_KERNEL");
    if (from_environment != nullptr) name = from_environment;
  }
  Isa isa = BestIsa();
  if (!name.empty()) {
    TERN_ASSIGN_OR_RETURN(isa, ParseIsa(name));
  }
  if (!CpuSupports(isa)) {
    return absl::FailedPreconditionError(
        absl::StrCat("kernel instruction set ", IsaName(isa), ": this CPU cannot run it"));
  }
  return Kernels{Find(GemvKernels(), isa), Find(GemmKernels(), isa), Find(GroupGemmKernels(), isa),
                 Find(VectorOpsTable(), isa)};
}

}  // namespace tern
