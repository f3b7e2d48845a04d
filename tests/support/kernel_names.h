// SPDX-License-Identifier: MIT
// Test support: every choice of kernels that this CPU has, as ChooseKernels takes it.
#ifndef TERN_TESTS_SUPPORT_KERNEL_NAMES_H_
#define TERN_TESTS_SUPPORT_KERNEL_NAMES_H_

#include <string>
#include <vector>

#include "kernels/registry.h"

namespace tern {

// E.g. "avx2,t2r16".
inline std::vector<std::string> KernelNames() {
  std::vector<std::string> names;
  for (const Isa isa : Isas()) {
    if (!CpuSupports(isa)) continue;
    for (const PackingInfo& info : Packings()) {
      names.push_back(std::string(IsaName(isa)) + "," + info.name);
    }
  }
  return names;
}

}  // namespace tern

#endif  // TERN_TESTS_SUPPORT_KERNEL_NAMES_H_
