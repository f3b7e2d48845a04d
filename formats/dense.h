// SPDX-License-Identifier: MIT
// Arbitrary numbers in the layouts that files have them in: F32, F16, BF16, Q8_0, Q6_K, Q4_0. To
// floats, and back. Byte layouts: docs/formats.md.
#ifndef TERN_FORMATS_DENSE_H_
#define TERN_FORMATS_DENSE_H_

#include <cstddef>
#include <cstdint>

#include "formats/tensor.h"

namespace tern {

// Bytes of one row. REQUIRES a dense type and columns that TensorBytes accepts.
uint64_t DenseRowBytes(TensorType type, uint64_t cols);

// Numbers of a row, or of any whole blocks of it: exact, or rounded once to float as ggml's
// reference does it.
void DecodeDense(TensorType type, const uint8_t* packed, uint64_t cols, float* out /*[cols]*/);

// The nearest that the type can hold, ggml's reference rule for those with scales; ties to even.
// REQUIRES finite numbers; ones past F16's range become infinite there.
void EncodeDense(TensorType type, const float* x /*[cols]*/, uint64_t cols, uint8_t* packed);

}  // namespace tern

#endif  // TERN_FORMATS_DENSE_H_
