// SPDX-License-Identifier: MIT
// The packed matrices of Hugging Face's BitNet models.
//
// Source of the layout: transformers, integrations/bitnet.py; docs/formats.md.
#ifndef TERN_FORMATS_PACKED_U8_H_
#define TERN_FORMATS_PACKED_U8_H_

#include <cstdint>
#include <span>

namespace tern {

// The trits of `packed`: byte [r, c] of [rows / 4, cols] holds, from the low bits up, the codes of
// rows r, r + R, r + 2R and r + 3R, with R = rows / 4. Returns whether all codes are trits: 3 is
// none. REQUIRES rows a multiple of 4, packed.size() == rows / 4 * cols.
bool UnpackU8(std::span<const uint8_t> packed, uint64_t rows, uint64_t cols,
              int8_t* trits);  // [rows, cols]

}  // namespace tern

#endif  // TERN_FORMATS_PACKED_U8_H_
