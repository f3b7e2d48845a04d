// SPDX-License-Identifier: MIT
// Test support: every choice of kernels that this CPU has, as ChooseKernels takes it.
#ifndef TERN_TESTS_SUPPORT_KERNEL_NAMES_H_
#define TERN_TESTS_SUPPORT_KERNEL_NAMES_H_

#include <string>
#include <vector>

#include "kernels/registry.h"

namespace tern {

// E.g. "avx2,t2r16". A packing stands only with instruction sets that have kernels of their own for
// it: with others it takes those of a lower one.
inline std::vector<std::string> KernelNames() {
#if defined(__SANITIZE_THREAD__)
  return {""};  // kernels start no threads: the best ones are enough
#endif
  std::vector<std::string> names;
  for (const Isa isa : Isas()) {
    if (!CpuSupports(isa)) continue;
    for (const PackingInfo& info : Packings()) {
      const MatrixKernels kernels = BestKernels(info.packing, isa);
      const bool has_own = kernels.one.isa == isa || kernels.few.isa == isa;
      if (!has_own && info.packing != Packing::kT2R16) continue;
      names.push_back(std::string(IsaName(isa)) + "," + info.name);
    }
  }
  return names;
}

}  // namespace tern

#endif  // TERN_TESTS_SUPPORT_KERNEL_NAMES_H_
