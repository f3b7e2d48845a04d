// SPDX-License-Identifier: MIT
// The table of kernels, and the choice of one set for this CPU.
#ifndef TERN_KERNELS_REGISTRY_H_
#define TERN_KERNELS_REGISTRY_H_

#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "kernels/attention.h"
#include "kernels/gemm.h"
#include "kernels/gemv.h"
#include "kernels/group_gemm.h"
#include "kernels/probe.h"
#include "kernels/screen.h"
#include "kernels/vector_ops.h"

namespace tern {

// All kernels this build has, best first. Some may not run on this CPU: see CpuSupports.
std::span<const GemvKernel> GemvKernels();
std::span<const GemmKernel> GemmKernels();
std::span<const GroupGemmKernel> GroupGemmKernels();
std::span<const ScreenKernel> ScreenKernels();
std::span<const VectorOps> VectorOpsTable();
std::span<const AttentionKernel> AttentionKernels();
std::span<const ProbeKernel> ProbeKernels();

// The kernels of one matrix, all for its packing: by how many tokens are multiplied at once. Plain
// pointers into the table: copy freely.
struct MatrixKernels {
  GemvKernel one;
  GemmKernel few;
  GemmKernel many;

  Packing packing() const { return one.packing; }
  // Names, e.g. "gemv_t2r16_avx2 gemm_t2r16_avx2 gemm_t2r16_avx2".
  std::string ToString() const;
};

// Tokens up to which a product takes the kernel for few.
inline constexpr size_t kFewTokens = 16;

// The best kernels for `packing` that this CPU runs, of `isa` or an instruction set below it. Every
// packing has portable ones.
MatrixKernels BestKernels(Packing packing, Isa isa);

// Rows from which a head is screened (model/head_search.h). Smaller ones are quick anyway, and
// their largest logits stand out less.
inline constexpr size_t kScreenFromRows = 4096;

// One kernel of each operation. Copy freely.
struct Kernels {
  Isa isa = Isa::kPortable;   // what the others were chosen for
  MatrixKernels matrix = {};  // for every matrix, unless they are measured
  bool is_forced = false;     // by name: then nothing is measured
  // Loading may measure what serves each shape best (kernels/tuner.h), and keep that and packed
  // weights in the user's cache directory (base/cache_directory.h).
  bool may_cache = false;
  GroupGemmKernel group_gemm = {};
  ScreenKernel screen = {};
  size_t screen_from_rows = kScreenFromRows;  // smaller heads are always computed in full
  VectorOps ops = {};
  AttentionKernel attention = {};
  size_t l2_bytes = 0;  // Topology::l2_bytes, by which products are cut into tiles; 0: unknown
};

// The best set that this CPU can run. `wanted` forces an instruction set (a name by IsaName), a
// packing ("t2r16", "b3r16", ...), or both with a comma between, and "full_head" computes every
// head in full; empty takes the environment's TERN_KERNEL, and if that is empty too, the best.
// INVALID_ARGUMENT for an unknown name, FAILED_PRECONDITION if this CPU cannot run it.
absl::StatusOr<Kernels> ChooseKernels(const std::string& wanted = "");

}  // namespace tern

#endif  // TERN_KERNELS_REGISTRY_H_
