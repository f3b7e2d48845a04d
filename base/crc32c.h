// SPDX-License-Identifier: MIT
// CRC-32C (Castagnoli; RFC 3720, appendix B.4), as the frames between stages carry it.
#ifndef TERN_BASE_CRC32C_H_
#define TERN_BASE_CRC32C_H_

#include <cstdint>
#include <span>

namespace tern {

// The checksum of `bytes` following data whose checksum is `crc`; 0 to begin.
uint32_t Crc32c(std::span<const uint8_t> bytes, uint32_t crc = 0);

}  // namespace tern

#endif  // TERN_BASE_CRC32C_H_
