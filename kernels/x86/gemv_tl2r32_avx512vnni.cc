// SPDX-License-Identifier: MIT
// gemv_tl2r32_avx512vnni: a triple of 32 rows is one look-up of 16-bit words (AVX-512 BW), its
// signs a mask register.
#include <immintrin.h>

#include "kernels/variants.h"
#include "kernels/x86/tl2r32_inl.h"

namespace tern {
namespace {

struct Tables {
  alignas(64) int16_t of[kTL2R32BlockCols / 3][kTL2R32Entries];
};

// The products of `triples` triples of columns, from x on.
void MakeTables(const int8_t* x, size_t triples, Tables& tables) {
  const auto load = [](const int16_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  };
  const __m256i a = load(kTL2R32Trits.a), b = load(kTL2R32Trits.b), c = load(kTL2R32Trits.c);
  for (size_t i = 0; i < triples; ++i, x += 3) {
    const __m256i ab = _mm256_add_epi16(_mm256_mullo_epi16(a, _mm256_set1_epi16(x[0])),
                                        _mm256_mullo_epi16(b, _mm256_set1_epi16(x[1])));
    const __m256i abc = _mm256_add_epi16(ab, _mm256_mullo_epi16(c, _mm256_set1_epi16(x[2])));
    _mm256_store_si256(reinterpret_cast<__m256i*>(tables.of[i]), abc);
  }
}

// Adds a triple's products to the sums of 32 rows; only the low 4 bits of each index count.
__m512i AddTriple(__m512i sums, __m512i indices, const int16_t* table, const uint8_t* signs) {
  const __m512i products = _mm512_permutexvar_epi16(
      _mm512_and_si512(indices, _mm512_set1_epi16(15)),
      _mm512_broadcast_i64x4(_mm256_load_si256(reinterpret_cast<const __m256i*>(table))));
  uint32_t negative;
  __builtin_memcpy(&negative, signs, sizeof(negative));
  return _mm512_mask_sub_epi16(_mm512_add_epi16(sums, products), negative, sums, products);
}

__m512i AddTile(__m512i sums, const uint8_t* tile, const int16_t (*tables)[kTL2R32Entries]) {
  PrefetchTileAfter(tile);
  for (size_t i = 0; i < kTL2R32Triples; i += 2) {
    const __m512i pair = _mm512_cvtepu8_epi16(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(tile + i / 2 * kTL2R32Rows)));
    const uint8_t* signs = tile + kTL2R32SignsAt + 4 * i;
    sums = AddTriple(sums, pair, tables[i], signs);
    sums = AddTriple(sums, _mm512_srli_epi16(pair, 4), tables[i + 1], signs + 4);
  }
  return sums;
}

// 32 rows times the tiles of one block of columns.
void AddTiles(const uint8_t* weights, size_t tiles, const Tables& tables, int32_t* sums) {
  __m512i low = _mm512_loadu_si512(sums);
  __m512i high = _mm512_loadu_si512(sums + 16);
  for (size_t begin = 0; begin < tiles; begin += kTL2R32TilesBeforeWidening) {
    const size_t rest = tiles - begin;
    const size_t end =
        begin + (rest < kTL2R32TilesBeforeWidening ? rest : kTL2R32TilesBeforeWidening);
    __m512i sums16 = _mm512_setzero_si512();
    for (size_t tile = begin; tile < end; ++tile) {
      sums16 =
          AddTile(sums16, weights + tile * kTL2R32TileBytes, tables.of + tile * kTL2R32Triples);
    }
    low = _mm512_add_epi32(low, _mm512_cvtepi16_epi32(_mm512_castsi512_si256(sums16)));
    high = _mm512_add_epi32(high, _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(sums16, 1)));
  }
  _mm512_storeu_si512(sums, low);
  _mm512_storeu_si512(sums + 16, high);
}

}  // namespace

void GemvTL2R32Avx512Vnni(const GemvArgs& args) { RunTL2R32<Tables, MakeTables, AddTiles>(args); }

}  // namespace tern
