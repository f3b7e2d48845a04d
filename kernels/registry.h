// SPDX-License-Identifier: MIT
// The table of kernels, and the choice of one set for this CPU.
#ifndef TERN_KERNELS_REGISTRY_H_
#define TERN_KERNELS_REGISTRY_H_

#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "kernels/gemm.h"
#include "kernels/gemv.h"
#include "kernels/group_gemm.h"
#include "kernels/vector_ops.h"

namespace tern {

// All kernels this build has, best first. Some may not run on this CPU: see CpuSupports.
std::span<const GemvKernel> GemvKernels();
std::span<const GemmKernel> GemmKernels();
std::span<const GroupGemmKernel> GroupGemmKernels();
std::span<const VectorOps> VectorOpsTable();

// One kernel of each operation. Plain pointers into the table: copy freely.
struct Kernels {
  GemvKernel gemv;
  GemmKernel gemm;
  GroupGemmKernel group_gemm;
  VectorOps ops;
};

// The best set that this CPU can run. `isa_name` forces an instruction set ("portable", "avx2",
// "avx512vnni"); empty takes the environment's TERN_KERNEL, and if that is empty too, the best.
// INVALID_ARGUMENT for an unknown name, FAILED_PRECONDITION if this CPU cannot run it.
absl::StatusOr<Kernels> ChooseKernels(const std::string& isa_name = "");

}  // namespace tern

#endif  // TERN_KERNELS_REGISTRY_H_
