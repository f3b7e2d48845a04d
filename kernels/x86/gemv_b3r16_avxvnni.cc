// SPDX-License-Identifier: MIT
// gemv_b3r16_avxvnni: a tile is two vectors of 8 rows; one row is one 32-bit lane.
#include "kernels/variants.h"
#include "kernels/x86/avxvnni_inl.h"
#include "kernels/x86/gemv_b3r16_avx2_inl.h"

namespace tern {

void GemvB3R16AvxVnni(const GemvArgs& args) { RunGemv<VnniProducts>(args); }

}  // namespace tern
