// SPDX-License-Identifier: MIT
// gemm_b3r16_avx512vbmi: for few tokens, tiles are unpacked in registers; for more, a panel of some
// columns is unpacked once into the L1 cache and then serves all tokens: 184 against 213 GMAC/s on
// a Zen 4 core whose peak is 232.
#include "kernels/prefetch_inl.h"
#include "kernels/variants.h"
#include "kernels/x86/b3r16_avx512_inl.h"
#include "kernels/x86/gemm_avx512_inl.h"

namespace tern {
namespace {

struct B3R16Tile {
  static constexpr size_t kCols = kB3R16Cols;
  static constexpr bool kIsStored = true;
  static void Codes(const uint8_t* bytes, __m512i* codes) {
    const B3R16Vectors tile = UnpackB3R16(bytes);
    const __m512i low_bits = _mm512_set1_epi8(3);
    codes[0] = _mm512_and_si512(tile.four, low_bits);
    codes[1] = _mm512_and_si512(_mm512_srli_epi16(tile.four, 2), low_bits);
    codes[2] = _mm512_and_si512(_mm512_srli_epi16(tile.four, 4), low_bits);
    codes[3] = _mm512_and_si512(_mm512_srli_epi16(tile.four, 6), low_bits);
    codes[4] = _mm512_srli_epi16(tile.fifth, 6);  // the low bits of each byte are 0
  }
};

// Codes that are a byte each: 16 rows x 4 columns a vector.
struct PanelTile {
  static constexpr size_t kCols = 4;
  static constexpr bool kIsStored = false;
  static void Codes(const uint8_t* bytes, __m512i* codes) { codes[0] = _mm512_loadu_si512(bytes); }
};

constexpr size_t kPanelTiles = 16;
constexpr size_t kPanelCols = kPanelTiles * kB3R16Cols;

// 20 KB for two row groups.
struct Panel {
  alignas(64) uint8_t codes[2 * kPanelCols / PanelTile::kCols * kTileBytes];
};

// Unpacks columns of a row group, from a tile at `weights` on, into vectors that follow each other.
// Fetches what lies `ahead` bytes behind them.
void UnpackGroup(const uint8_t* weights, size_t ahead, size_t tiles, uint8_t* to) {
  for (size_t tile = 0; tile < tiles; ++tile, weights += kB3R16TileBytes) {
    __m512i codes[kB3R16Cols / 4];
    B3R16Tile::Codes(weights, codes);
    PrefetchNextGroups(weights + ahead);
    for (const __m512i vector : codes) {
      _mm512_storeu_si512(to, vector);
      to += kTileBytes;
    }
  }
}

template <int kGroups>
void RunPanels(const GemmArgs& args, const uint8_t* weights, size_t row) {
  const size_t group_bytes = GroupBytes<B3R16Tile>(args.cols);
  const size_t tiles = group_bytes / kTileBytes;
  Panel panel;
  for (size_t tile = 0; tile < tiles; tile += kPanelTiles) {
    const size_t count = tiles - tile < kPanelTiles ? tiles - tile : kPanelTiles;
    GemmArgs part = args;
    part.x += tile * kB3R16Cols;
    part.cols = count * kB3R16Cols;
    for (int g = 0; g < kGroups; ++g) {
      UnpackGroup(weights + g * group_bytes + tile * kTileBytes, kGroups * group_bytes, count,
                  panel.codes + g * GroupBytes<PanelTile>(part.cols));
    }
    if (tile == 0) {
      RunGroups<PanelTile, Begin::kMinusXSums, kGroups>(part, panel.codes, row);
    } else {
      RunGroups<PanelTile, Begin::kSums, kGroups>(part, panel.codes, row);
    }
  }
}

}  // namespace

void GemmB3R16Avx512Vbmi(const GemmArgs& args) {
  if (args.tokens <= kMaxTokens) return RunGemm<B3R16Tile>(args);
  const size_t group_bytes = GroupBytes<B3R16Tile>(args.cols);
  const uint8_t* weights = args.weights;
  size_t row = 0;
  for (; row + kTileRows < args.rows; row += 2 * kTileRows) {
    RunPanels<2>(args, weights, row);
    weights += 2 * group_bytes;
  }
  if (row < args.rows) RunPanels<1>(args, weights, row);
}

}  // namespace tern
