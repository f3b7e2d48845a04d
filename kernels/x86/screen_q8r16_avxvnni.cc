// SPDX-License-Identifier: MIT
// screen_q8r16_avxvnni. A 32-bit lane holds at most 255 * 63 * cols.
#include "kernels/variants.h"
#include "kernels/x86/avxvnni_inl.h"
#include "kernels/x86/screen_avx2_inl.h"

namespace tern {

void ScreenQ8R16AvxVnni(const GemmArgs& args) { RunScreen<VnniProducts>(args); }

}  // namespace tern
