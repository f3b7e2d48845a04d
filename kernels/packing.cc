// SPDX-License-Identifier: MIT
#include "kernels/packing.h"

#include <vector>

#include "kernels/b3r16.h"
#include "kernels/t2r16.h"
#include "kernels/tl1r16.h"
#include "kernels/tl2r32.h"

namespace tern {
namespace {

constexpr PackingInfo kPackings[] = {
    {Packing::kT2R16, "t2r16", kT2R16Rows, kT2R16Cols, kT2R16TileBytes},
    {Packing::kB3R16, "b3r16", kB3R16Rows, kB3R16Cols, kB3R16TileBytes},
    {Packing::kTL2R32, "tl2r32", kTL2R32Rows, kTL2R32Cols, kTL2R32TileBytes},
    {Packing::kTL1R16, "tl1r16", kTL1R16Rows, kTL1R16Cols, kTL1R16TileBytes},
};

// One row to its place among those of a group.
void PackRow(Packing packing, const int8_t* trits, size_t cols, size_t row, uint8_t* group) {
  switch (packing) {
    case Packing::kT2R16:
      return PackT2R16Row(trits, cols, group + 4 * row);
    case Packing::kB3R16:
      return PackB3R16Row(trits, cols, group + 4 * row);
    case Packing::kTL2R32:
      return PackTL2R32Row(trits, cols, row, group);
    case Packing::kTL1R16:
      return PackTL1R16Row(trits, cols, group + row);
  }
}

}  // namespace

std::span<const PackingInfo> Packings() { return kPackings; }

const PackingInfo& InfoOf(Packing packing) { return kPackings[static_cast<size_t>(packing)]; }

size_t PaddedCols(Packing packing, size_t cols) { return RoundUp(cols, InfoOf(packing).tile_cols); }

size_t PackedBytes(Packing packing, size_t rows, size_t cols) {
  const PackingInfo& info = InfoOf(packing);
  return RoundUp(rows, info.tile_rows) / info.tile_rows *
         (RoundUp(cols, info.tile_cols) / info.tile_cols) * info.tile_bytes;
}

void PackRows(Packing packing, const int8_t* trits, size_t cols, size_t row_begin, size_t row_end,
              uint8_t* packed) {
  const PackingInfo& info = InfoOf(packing);
  const size_t padded_end = RoundUp(row_end, info.tile_rows);
  const std::vector<int8_t> padding(row_end < padded_end ? cols : 0, 0);
  for (size_t row = row_begin; row < padded_end; ++row) {
    const int8_t* from = row < row_end ? trits + (row - row_begin) * cols : padding.data();
    const size_t in_group = row % info.tile_rows;
    PackRow(packing, from, cols, in_group, packed + PackedBytes(packing, row - in_group, cols));
  }
}

void UnpackRow(Packing packing, const uint8_t* packed, size_t cols, size_t row, int8_t* trits) {
  const size_t in_group = row % InfoOf(packing).tile_rows;
  const uint8_t* group = packed + PackedBytes(packing, row - in_group, cols);
  switch (packing) {
    case Packing::kT2R16:
      return UnpackT2R16Row(group + 4 * in_group, cols, trits);
    case Packing::kB3R16:
      return UnpackB3R16Row(group + 4 * in_group, cols, trits);
    case Packing::kTL2R32:
      return UnpackTL2R32Row(group, cols, in_group, trits);
    case Packing::kTL1R16:
      return UnpackTL1R16Row(group + in_group, cols, trits);
  }
}

}  // namespace tern
