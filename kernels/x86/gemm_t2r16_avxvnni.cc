// SPDX-License-Identifier: MIT
// gemm_t2r16_avxvnni: the codes of a tile, two vectors of 8 rows, are unpacked once for five
// tokens, whose sums take ten of the 16 registers.
#include "kernels/t2r16.h"
#include "kernels/variants.h"
#include "kernels/x86/avxvnni_inl.h"

namespace tern {
namespace {

constexpr int kMaxTokens = 5;

// One row group times tokens [token, token + kTokens). A 32-bit lane holds at most 2 * 127 * cols.
template <int kTokens>
void RunTile(const GemmArgs& args, const uint8_t* weights, size_t row, size_t token) {
  const int8_t* x = args.x + token * args.x_stride;
  __m256i sums[kTokens][2];
  for (int t = 0; t < kTokens; ++t) {
    sums[t][0] = sums[t][1] = _mm256_set1_epi32(-args.x_sums[token + t]);
  }
  const __m256i low_bits = _mm256_set1_epi8(3);
  for (size_t col = 0; col < args.cols; col += kT2R16Cols, weights += kT2R16TileBytes) {
    __m256i low_rows = Load(weights);
    __m256i high_rows = Load(weights + kT2R16TileBytes / 2);
    for (int j = 0; j < 4; ++j) {
      const __m256i low_codes = _mm256_and_si256(low_rows, low_bits);
      const __m256i high_codes = _mm256_and_si256(high_rows, low_bits);
      for (int t = 0; t < kTokens; ++t) {
        const __m256i x4 = Broadcast4(x + t * args.x_stride + col + 4 * j);
        sums[t][0] = AddProducts(sums[t][0], low_codes, x4);
        sums[t][1] = AddProducts(sums[t][1], high_codes, x4);
      }
      low_rows = _mm256_srli_epi16(low_rows, 2);
      high_rows = _mm256_srli_epi16(high_rows, 2);
    }
  }
  for (int t = 0; t < kTokens; ++t) {
    int32_t* out = args.sums + (token + t) * args.sums_stride + row;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), sums[t][0]);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 8), sums[t][1]);
  }
}

// The last tokens, from `token` on: at most kTokens.
template <int kTokens>
void RunRest(const GemmArgs& args, const uint8_t* weights, size_t row, size_t token) {
  if (args.tokens - token == kTokens) return RunTile<kTokens>(args, weights, row, token);
  if constexpr (kTokens > 1) RunRest<kTokens - 1>(args, weights, row, token);
}

}  // namespace

void GemmT2R16AvxVnni(const GemmArgs& args) {
  const uint8_t* weights = args.weights;
  for (size_t row = 0; row < args.rows; row += kT2R16Rows) {
    size_t token = 0;
    for (; token + kMaxTokens <= args.tokens; token += kMaxTokens) {
      RunTile<kMaxTokens>(args, weights, row, token);
    }
    RunRest<kMaxTokens - 1>(args, weights, row, token);
    weights += args.cols / kT2R16Cols * kT2R16TileBytes;
  }
}

}  // namespace tern
