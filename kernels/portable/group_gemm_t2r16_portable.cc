// SPDX-License-Identifier: MIT
// group_gemm_t2r16_portable: 16 rows in arrays.
#include "kernels/group_gemm_inl.h"
#include "kernels/variants.h"

namespace tern {
namespace {

struct PortableGroupOps {
  struct Tile {
    uint8_t bytes[kT2R16TileBytes];
  };
  using Codes = Tile;  // byte 4 * r + k: row r, column k
  struct Sums {
    int32_t rows[kT2R16Rows];
  };
  struct Floats {
    float rows[kT2R16Rows];
  };

  static Tile Load(const uint8_t* bytes) {
    Tile tile;
    for (size_t i = 0; i < kT2R16TileBytes; ++i) tile.bytes[i] = bytes[i];
    return tile;
  }
  static Codes NextCodes(Tile& tile) {
    Codes codes;
    for (size_t i = 0; i < kT2R16TileBytes; ++i) {
      codes.bytes[i] = tile.bytes[i] & 3;
      tile.bytes[i] = static_cast<uint8_t>(tile.bytes[i] >> 2);
    }
    return codes;
  }
  static Floats Zero() { return {}; }
  static Sums ZeroSums() { return {}; }
  static Sums Add(Sums sums, const Codes& codes, const int8_t* x) {
    for (size_t r = 0; r < kT2R16Rows; ++r) {
      const uint8_t* row = codes.bytes + 4 * r;
      sums.rows[r] += row[0] * x[0] + row[1] * x[1] + row[2] * x[2] + row[3] * x[3];
    }
    return sums;
  }
  static Floats AddScaled(Floats out, const Sums* digits, int32_t x_sum, const float* scales) {
    for (size_t r = 0; r < kT2R16Rows; ++r) {
      const int32_t upper = digits[0].rows[r] * kWideBase + digits[1].rows[r];
      const int32_t sum = upper * kWideBase + digits[2].rows[r] - x_sum;
      out.rows[r] += scales[r] * static_cast<float>(sum);
    }
    return out;
  }
  static void Store(const Floats& floats, float* out) {
    for (size_t r = 0; r < kT2R16Rows; ++r) out[r] = floats.rows[r];
  }
};

}  // namespace

void GroupGemmT2R16Portable(const GroupGemmArgs& args) { RunGroupGemm<PortableGroupOps, 1>(args); }

}  // namespace tern
