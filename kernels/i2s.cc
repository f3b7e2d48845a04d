// SPDX-License-Identifier: MIT
#include "kernels/i2s.h"

#include "absl/strings/str_cat.h"
#include "base/log.h"

namespace tern {
namespace {

constexpr size_t kQuarterCols = kI2SBlockCols / 4;  // columns of a block in one bit pair

// Unpacks one block. Returns whether it met code 3.
bool UnpackBlock(const uint8_t* block, int8_t* trits) {
  uint8_t code3 = 0;
  for (size_t p = 0; p < kI2SBlockBytes; ++p) code3 |= block[p] & block[p] >> 1 & 0x55;
  for (size_t quarter = 0; quarter < 4; ++quarter) {
    const int shift = static_cast<int>(6 - 2 * quarter);
    int8_t* to = trits + quarter * kQuarterCols;
    for (size_t p = 0; p < kI2SBlockBytes; ++p) {
      to[p] = static_cast<int8_t>((block[p] >> shift & 3) - 1);
    }
  }
  return code3 != 0;
}

absl::Status Code3Error(std::span<const uint8_t> packed, size_t from) {
  size_t i = from;
  while ((packed[i] & packed[i] >> 1 & 0x55) == 0) ++i;
  return absl::DataLossError(absl::StrCat("I2_S byte ", i, ": found code 3 in 0x",
                                          absl::Hex(packed[i], absl::kZeroPad2),
                                          ", want codes 0, 1 and 2"));
}

}  // namespace

void PackI2S(std::span<const int8_t> trits, std::span<uint8_t> packed) {
  TERN_CHECK(trits.size() == packed.size() * 4 && trits.size() % kI2SBlockCols == 0);
  for (size_t i = 0; i < packed.size(); ++i) {
    const size_t block = i / kI2SBlockBytes;
    const int8_t* t = trits.data() + block * kI2SBlockCols + i % kI2SBlockBytes;
    packed[i] =
        static_cast<uint8_t>((t[0] + 1) << 6 | (t[32] + 1) << 4 | (t[64] + 1) << 2 | (t[96] + 1));
  }
}

absl::Status UnpackI2S(std::span<const uint8_t> packed, std::span<int8_t> trits) {
  TERN_CHECK(trits.size() == packed.size() * 4 && trits.size() % kI2SBlockCols == 0);
  for (size_t begin = 0; begin < packed.size(); begin += kI2SBlockBytes) {
    if (UnpackBlock(packed.data() + begin, trits.data() + begin * 4)) {
      return Code3Error(packed, begin);
    }
  }
  return absl::OkStatus();
}

}  // namespace tern
