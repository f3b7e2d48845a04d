// SPDX-License-Identifier: MIT
#include "formats/ternary.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "formats/f16.h"
#include "kernels/i2s.h"

namespace tern {
namespace {

constexpr int kNoTrit = 3;  // the 2-bit code that stands for none

absl::Status Damaged(const TensorView& tensor, absl::string_view text) {
  return absl::DataLossError(absl::StrCat(TensorTypeName(tensor.info.type), " ", text));
}

float LoadF16(const uint8_t* bytes) {
  uint16_t bits;
  std::memcpy(&bits, bytes, sizeof(bits));
  return F16ToFloat(bits);
}

void StoreF16(float x, uint8_t* bytes) {
  const uint16_t bits = FloatToF16(x);
  std::memcpy(bytes, &bits, sizeof(bits));
}

float LoadF32(const uint8_t* bytes) {
  float x;
  std::memcpy(&x, bytes, sizeof(x));
  return x;
}

// --- Two bits a weight ---

// Four codes of a byte, from the low bits up, as trits.
constexpr std::array<uint32_t, 256> MakeFourTrits() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    for (int i = 0; i < 4; ++i) table[byte] |= (((byte >> (2 * i) & 3) + 0xff) & 0xff) << (8 * i);
  }
  return table;
}
constexpr std::array<uint32_t, 256> kFourTrits = MakeFourTrits();

// `count` bytes whose codes, from the low bits up, are `stride` columns apart: trits[i + n *
// stride] is code n of byte i. Returns whether all codes are trits.
bool UnpackStrided(const uint8_t* bytes, size_t count, size_t stride, int8_t* trits) {
  unsigned bad = 0;
  for (size_t n = 0; n < 4; ++n) {
    for (size_t i = 0; i < count; ++i) {
      const unsigned code = bytes[i] >> (2 * n) & 3u;
      bad |= code & (code >> 1);
      trits[i + n * stride] = static_cast<int8_t>(static_cast<int>(code) - 1);
    }
  }
  return bad == 0;
}

// `count` bytes of four neighbours each.
bool UnpackNeighbours(const uint8_t* bytes, size_t count, int8_t* trits) {
  unsigned bad = 0;
  for (size_t i = 0; i < count; ++i) {
    bad |= bytes[i] & (bytes[i] >> 1) & 0x55u;
    std::memcpy(trits + 4 * i, &kFourTrits[bytes[i]], sizeof(uint32_t));
  }
  return bad == 0;
}

// --- Base 3 ---

// Digit n, from the first, of every byte (docs/formats.md, TQ1_0), as a trit.
constexpr std::array<std::array<int8_t, 256>, 5> MakeDigits() {
  std::array<std::array<int8_t, 256>, 5> table{};
  int power = 1;
  for (auto& digits : table) {
    for (int byte = 0; byte < 256; ++byte) {
      digits[static_cast<size_t>(byte)] = static_cast<int8_t>(((byte * power & 0xff) * 3 >> 8) - 1);
    }
    power *= 3;
  }
  return table;
}
constexpr std::array<std::array<int8_t, 256>, 5> kDigits = MakeDigits();

// The byte with the digits of `value`, below 243.
uint8_t PackDigits(unsigned value) { return static_cast<uint8_t>((value * 256 + 242) / 243); }

// The byte of which `count` trits, the first the most significant, are the first digits.
uint8_t PackBase3(const int8_t* trits, size_t stride, size_t count) {
  unsigned value = 0;
  for (size_t n = 0; n < 5; ++n) {
    value = value * 3 + static_cast<unsigned>(n < count ? trits[n * stride] + 1 : 0);
  }
  return PackDigits(value);
}

// A run of `bytes` bytes with `digits` trits each, position by position: trit n of byte i is column
// n * bytes + i.
struct Base3Run {
  size_t bytes;
  size_t digits;
};
constexpr Base3Run kTq1Runs[] = {{32, 5}, {16, 5}, {4, 4}};
constexpr Base3Run kPtq1Runs[] = {{16, 5}, {8, 5}, {2, 4}};

void UnpackRuns(std::span<const Base3Run> runs, const uint8_t* bytes, int8_t* trits) {
  for (const Base3Run& run : runs) {
    for (size_t n = 0; n < run.digits; ++n) {
      for (size_t i = 0; i < run.bytes; ++i) *trits++ = kDigits[n][bytes[i]];
    }
    bytes += run.bytes;
  }
}

void PackRuns(std::span<const Base3Run> runs, const int8_t* trits, uint8_t* bytes) {
  for (const Base3Run& run : runs) {
    for (size_t i = 0; i < run.bytes; ++i) *bytes++ = PackBase3(trits + i, run.bytes, run.digits);
    trits += run.bytes * run.digits;
  }
}

// --- Blocks of each type: their trits, and their scale where it is in the block ---

constexpr size_t kTq2Bytes = 64;

bool UnpackTq2(const uint8_t* block, int8_t* trits) {
  return UnpackStrided(block, 32, 32, trits) && UnpackStrided(block + 32, 32, 32, trits + 128);
}

void PackStrided(const int8_t* trits, size_t count, size_t stride, uint8_t* bytes) {
  for (size_t i = 0; i < count; ++i) {
    unsigned byte = 0;
    for (size_t n = 0; n < 4; ++n) {
      byte |= static_cast<unsigned>(trits[i + n * stride] + 1) << (2 * n);
    }
    bytes[i] = static_cast<uint8_t>(byte);
  }
}

// IQ1_BN: 64 weights in 13 bytes. Of each 16 weights, 15 are in three bytes; the 13th byte holds
// every 16th. The first trit of a byte is its last digit.
constexpr size_t kIq1Bytes = 13;

// The columns of a byte's trits.
struct Iq1Columns {
  size_t first;
  size_t stride;
  size_t count;
};

Iq1Columns ColumnsOf(size_t byte) {
  if (byte == kIq1Bytes - 1) return {15, 16, 4};
  return {16 * (byte / 3) + 5 * (byte % 3), 1, 5};
}

void UnpackIq1(const uint8_t* block, int8_t* trits) {
  for (size_t byte = 0; byte < kIq1Bytes; ++byte) {
    const Iq1Columns columns = ColumnsOf(byte);
    for (size_t n = 0; n < columns.count; ++n) {
      trits[columns.first + n * columns.stride] = kDigits[4 - n][block[byte]];
    }
  }
}

void PackIq1(const int8_t* trits, uint8_t* block) {
  for (size_t byte = 0; byte < kIq1Bytes; ++byte) {
    const Iq1Columns columns = ColumnsOf(byte);
    unsigned value = 0;
    for (size_t n = columns.count; n-- > 0;) {
      value = value * 3 + static_cast<unsigned>(trits[columns.first + n * columns.stride] + 1);
    }
    block[byte] = PackDigits(value);
  }
}

bool UnpackBlock(TensorType type, const uint8_t* block, int8_t* trits, float* scale) {
  switch (type) {
    case TensorType::kTQ2_0:
      *scale = LoadF16(block + kTq2Bytes);
      return UnpackTq2(block, trits);
    case TensorType::kTQ1_0:
      UnpackRuns(kTq1Runs, block, trits);
      *scale = LoadF16(block + 52);
      return true;
    case TensorType::kPTQ1_0:
      UnpackRuns(kPtq1Runs, block, trits);
      *scale = LoadF16(block + 26);
      return true;
    case TensorType::kQ2_0:
      *scale = LoadF16(block);
      return UnpackNeighbours(block + 2, 16, trits);
    case TensorType::kPQ2_0:
      *scale = LoadF16(block);
      return UnpackNeighbours(block + 2, 32, trits);
    case TensorType::kIQ2BN:
      return UnpackStrided(block, 16, 16, trits);
    case TensorType::kIQ1BN:
      UnpackIq1(block, trits);
      return true;
    default:
      TERN_CHECK(false);
      return false;
  }
}

void PackBlock(TensorType type, const int8_t* trits, float scale, uint8_t* block) {
  switch (type) {
    case TensorType::kTQ2_0:
      PackStrided(trits, 32, 32, block);
      PackStrided(trits + 128, 32, 32, block + 32);
      return StoreF16(scale, block + kTq2Bytes);
    case TensorType::kTQ1_0:
      PackRuns(kTq1Runs, trits, block);
      return StoreF16(scale, block + 52);
    case TensorType::kPTQ1_0:
      PackRuns(kPtq1Runs, trits, block);
      return StoreF16(scale, block + 26);
    case TensorType::kQ2_0:
    case TensorType::kPQ2_0:
      StoreF16(scale, block);
      for (size_t i = 0; i < (type == TensorType::kQ2_0 ? 16 : 32); ++i) {
        PackStrided(trits + 4 * i, 1, 1, block + 2 + i);
      }
      return;
    case TensorType::kIQ2BN:
      return PackStrided(trits, 16, 16, block);
    case TensorType::kIQ1BN:
      return PackIq1(trits, block);
    default:
      TERN_CHECK(false);
  }
}

// Where things are in a row.
struct RowLayout {
  size_t block_cols;
  size_t block_bytes;
  size_t scale_bytes;  // before the blocks
  bool block_scales;   // in the blocks
};

RowLayout LayoutOf(TensorType type) {
  switch (type) {
    case TensorType::kTQ1_0:
      return {256, 54, 0, true};
    case TensorType::kTQ2_0:
      return {256, 66, 0, true};
    case TensorType::kQ2_0:
      return {64, 18, 0, true};
    case TensorType::kPQ2_0:
      return {128, 34, 0, true};
    case TensorType::kPTQ1_0:
      return {128, 28, 0, true};
    case TensorType::kIQ1BN:
      return {64, kIq1Bytes, 2, false};
    case TensorType::kIQ2BN:
      return {64, 16, 4, false};
    default:
      TERN_CHECK(false);
      return {};
  }
}

absl::Status CheckFinite(const TensorView& tensor, uint64_t row, float scale) {
  if (std::isfinite(scale)) return absl::OkStatus();
  return Damaged(tensor,
                 absl::StrCat("row ", row, ": found scale ", scale, ", want a finite number"));
}

absl::Status UnpackBlocks(const TensorView& tensor, uint64_t row, int8_t* trits, float* scales) {
  const TensorType type = tensor.info.type;
  const RowLayout layout = LayoutOf(type);
  const size_t blocks = tensor.info.cols() / layout.block_cols;
  const size_t row_bytes = layout.scale_bytes + blocks * layout.block_bytes;
  const uint8_t* bytes = tensor.data.data() + row * row_bytes;
  if (!layout.block_scales) {
    scales[0] = layout.scale_bytes == 2 ? LoadF16(bytes) : LoadF32(bytes);
    TERN_RETURN_IF_ERROR(CheckFinite(tensor, row, scales[0]));
    bytes += layout.scale_bytes;
  }
  for (size_t block = 0; block < blocks; ++block, bytes += layout.block_bytes) {
    float unused;
    float* scale = layout.block_scales ? &scales[block] : &unused;
    if (!UnpackBlock(type, bytes, trits + block * layout.block_cols, scale)) {
      const bool is_q2 = type == TensorType::kQ2_0 || type == TensorType::kPQ2_0;
      return Damaged(tensor,
                     absl::StrCat("block at byte ", bytes - tensor.data.data(),
                                  ": found code 3, want 0, 1 and 2",
                                  is_q2 ? ": a weight of +2, the tensor is not ternary" : ""));
    }
    if (layout.block_scales) TERN_RETURN_IF_ERROR(CheckFinite(tensor, row, *scale));
  }
  return absl::OkStatus();
}

// --- I2_S ---

// Where weight `index` of the whole tensor has its code, and by how much it is shifted.
struct I2SPlace {
  uint64_t byte;
  unsigned shift;
};

I2SPlace PlaceOf(I2SDialect dialect, uint64_t index, uint64_t cols) {
  // A block's bytes hold codes a quarter of it apart, the first in the high bits.
  const auto in_block = [&](uint64_t block_cols) {
    const uint64_t quarter = block_cols / 4, place = index % block_cols;
    return I2SPlace{index / block_cols * quarter + place % quarter,
                    static_cast<unsigned>(6 - 2 * (place / quarter))};
  };
  switch (dialect) {
    case I2SDialect::kCanonical:
      return in_block(kI2SBlockCols);
    case I2SDialect::kArm64:
      return in_block(64);
    case I2SDialect::kFourRows:
      break;
  }
  const uint64_t row = index / cols;
  return {row / 4 * cols + index % cols, static_cast<unsigned>(6 - 2 * (row % 4))};
}

absl::Status Code3(const TensorView& tensor, uint64_t byte) {
  return Damaged(tensor, absl::StrCat("byte ", byte, ": found code 3, want codes 0, 1 and 2"));
}

absl::Status UnpackI2SRows(I2SDialect dialect, const TensorView& tensor, uint64_t row_begin,
                           uint64_t row_end, TernaryRows out) {
  const uint64_t cols = tensor.info.cols();
  const uint8_t* bytes = tensor.data.data();
  const float scale = LoadF32(bytes + tensor.data.size() - kI2STailBytes);
  for (uint64_t row = row_begin; row < row_end; ++row) {
    TERN_RETURN_IF_ERROR(CheckFinite(tensor, row, scale));
    out.scales[row - row_begin] = scale;
    int8_t* trits = out.trits + (row - row_begin) * cols;
    for (uint64_t col = 0; col < cols; ++col) {
      const I2SPlace place = PlaceOf(dialect, row * cols + col, cols);
      const unsigned code = bytes[place.byte] >> place.shift & 3u;
      if (code == kNoTrit) return Code3(tensor, place.byte);
      trits[col] = static_cast<int8_t>(static_cast<int>(code) - 1);
    }
  }
  return absl::OkStatus();
}

// Canonical, with rows of whole blocks: no division by weight.
absl::Status UnpackI2SBlocks(const TensorView& tensor, uint64_t row_begin, uint64_t row_end,
                             TernaryRows out) {
  const uint64_t cols = tensor.info.cols(), row_bytes = cols / 4;
  const float scale = LoadF32(tensor.data.data() + tensor.data.size() - kI2STailBytes);
  for (uint64_t row = row_begin; row < row_end; ++row) {
    TERN_RETURN_IF_ERROR(CheckFinite(tensor, row, scale));
    out.scales[row - row_begin] = scale;
    const absl::Status unpacked =
        UnpackI2S(tensor.data.subspan(row * row_bytes, row_bytes),
                  {out.trits + (row - row_begin) * cols, static_cast<size_t>(cols)});
    if (!unpacked.ok()) return unpacked;
  }
  return absl::OkStatus();
}

absl::Status PackI2STensor(uint64_t rows, uint64_t cols, const int8_t* trits, const float* scales,
                           std::span<uint8_t> bytes) {
  for (uint64_t row = 1; row < rows; ++row) {
    if (scales[row] == scales[0]) continue;
    return absl::InvalidArgumentError(absl::StrCat("I2_S scale: found ", scales[row], " in row ",
                                                   row, " and ", scales[0],
                                                   " in row 0, want one for the whole tensor"));
  }
  const size_t packed = rows * cols / 4;
  PackI2S({trits, static_cast<size_t>(rows * cols)}, bytes.first(packed));
  std::fill(bytes.begin() + static_cast<ptrdiff_t>(packed), bytes.end(), uint8_t{0});
  std::memcpy(bytes.data() + packed, scales, sizeof(float));
  return absl::OkStatus();
}

}  // namespace

uint64_t ScaleCols(TensorType type, uint64_t cols) {
  if (type == TensorType::kI2S) return cols;
  const RowLayout layout = LayoutOf(type);
  return layout.block_scales ? layout.block_cols : cols;
}

absl::Status UnpackTernary(const TensorView& tensor, uint64_t row_begin, uint64_t row_end,
                           TernaryRows out) {
  const uint64_t cols = tensor.info.cols();
  if (tensor.info.type == TensorType::kI2S) {
    if (cols % kI2SBlockCols == 0) return UnpackI2SBlocks(tensor, row_begin, row_end, out);
    return UnpackI2SRows(I2SDialect::kCanonical, tensor, row_begin, row_end, out);
  }
  const uint64_t groups = cols / ScaleCols(tensor.info.type, cols);
  for (uint64_t row = row_begin; row < row_end; ++row) {
    TERN_RETURN_IF_ERROR(UnpackBlocks(tensor, row, out.trits + (row - row_begin) * cols,
                                      out.scales + (row - row_begin) * groups));
  }
  return absl::OkStatus();
}

absl::Status PackTernary(TensorType type, uint64_t rows, uint64_t cols, const int8_t* trits,
                         const float* scales, std::span<uint8_t> bytes) {
  if (type == TensorType::kI2S) return PackI2STensor(rows, cols, trits, scales, bytes);
  const RowLayout layout = LayoutOf(type);
  const size_t blocks = cols / layout.block_cols;
  uint8_t* to = bytes.data();
  for (uint64_t row = 0; row < rows; ++row) {
    const int8_t* row_trits = trits + row * cols;
    const float* row_scales = scales + row * (layout.block_scales ? blocks : 1);
    if (layout.scale_bytes == 2) StoreF16(row_scales[0], to);
    if (layout.scale_bytes == 4) std::memcpy(to, row_scales, sizeof(float));
    to += layout.scale_bytes;
    for (size_t block = 0; block < blocks; ++block, to += layout.block_bytes) {
      const float scale = layout.block_scales ? row_scales[block] : 0;
      PackBlock(type, row_trits + block * layout.block_cols, scale, to);
    }
  }
  return absl::OkStatus();
}

absl::Status UnpackI2SDialect(I2SDialect dialect, const TensorView& tensor, uint64_t row_begin,
                              uint64_t row_end, TernaryRows out) {
  if (dialect == I2SDialect::kCanonical) return UnpackTernary(tensor, row_begin, row_end, out);
  return UnpackI2SRows(dialect, tensor, row_begin, row_end, out);
}

}  // namespace tern
