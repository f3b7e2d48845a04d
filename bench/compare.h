// SPDX-License-Identifier: MIT
// Two reports side by side.
#ifndef TERN_BENCH_COMPARE_H_
#define TERN_BENCH_COMPARE_H_

#include <string>

#include "bench/report.h"

namespace tern {

// What both measured, with the second's speed divided by the first's, after notes of what makes
// them hard to compare: another CPU, other kernels, another model, a busy machine.
std::string Compare(const Report& first, const Report& second);

}  // namespace tern

#endif  // TERN_BENCH_COMPARE_H_
