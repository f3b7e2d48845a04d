// SPDX-License-Identifier: MIT
// gemv_b3r16_avx2: a tile is two vectors of 8 rows; one row is one 32-bit lane, two 16-bit ones on
// the way.
#include "kernels/variants.h"
#include "kernels/x86/gemv_b3r16_avx2_inl.h"

namespace tern {

void GemvB3R16Avx2(const GemvArgs& args) { RunGemv<Avx2Products>(args); }

}  // namespace tern
