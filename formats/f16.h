// SPDX-License-Identifier: MIT
// IEEE binary16 and bfloat16 to float and back, one number at a time, for reading and writing
// files. (kernels/vector_ops.h has the fast ones.)
#ifndef TERN_FORMATS_F16_H_
#define TERN_FORMATS_F16_H_

#include <cstdint>

namespace tern {

// Exact; NaNs keep the payload that fits.
float F16ToFloat(uint16_t f16);
float Bf16ToFloat(uint16_t bf16);

// Round to nearest even; magnitudes past the largest become infinite.
uint16_t FloatToF16(float x);
uint16_t FloatToBf16(float x);

}  // namespace tern

#endif  // TERN_FORMATS_F16_H_
