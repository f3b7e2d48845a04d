// SPDX-License-Identifier: MIT
// gemv_tl2r32_avx2: a triple of 32 rows is two look-ups of bytes (vpshufb), of the low and of the
// high halves of the 16-bit products.
#include <immintrin.h>

#include "kernels/variants.h"
#include "kernels/x86/tl2r32_inl.h"

namespace tern {
namespace {

// Low and high bytes of the products of each triple.
struct Tables {
  alignas(32) uint8_t low[kTL2R32BlockCols / 3][kTL2R32Entries];
  alignas(32) uint8_t high[kTL2R32BlockCols / 3][kTL2R32Entries];
};

// Sums of 32 rows in 16 bits, in the order that unpacking bytes gives: rows 0..7 and 16..23, rows
// 8..15 and 24..31.
struct RowSums16 {
  __m256i first;
  __m256i second;
};

__m256i Load(const void* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

// The products of `triples` triples of columns, from x on.
void MakeTables(const int8_t* x, size_t triples, Tables& tables) {
  const __m256i a = Load(kTL2R32Trits.a), b = Load(kTL2R32Trits.b), c = Load(kTL2R32Trits.c);
  // Even bytes to the low half of each 128-bit lane, odd bytes to the high half.
  const __m256i apart = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15));
  for (size_t i = 0; i < triples; ++i, x += 3) {
    const __m256i ab = _mm256_add_epi16(_mm256_mullo_epi16(a, _mm256_set1_epi16(x[0])),
                                        _mm256_mullo_epi16(b, _mm256_set1_epi16(x[1])));
    const __m256i abc = _mm256_add_epi16(ab, _mm256_mullo_epi16(c, _mm256_set1_epi16(x[2])));
    const __m256i bytes = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(abc, apart), 0xD8);
    _mm_store_si128(reinterpret_cast<__m128i*>(tables.low[i]), _mm256_castsi256_si128(bytes));
    _mm_store_si128(reinterpret_cast<__m128i*>(tables.high[i]), _mm256_extracti128_si256(bytes, 1));
  }
}

__m256i LookUp(const uint8_t* table, __m256i indices) {
  const __m128i entries = _mm_load_si128(reinterpret_cast<const __m128i*>(table));
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(entries), indices);
}

// -1 in the bytes of rows whose bit is set.
__m256i SignBytes(const uint8_t* signs) {
  int32_t bits;
  __builtin_memcpy(&bits, signs, sizeof(bits));
  // Byte r gets byte r / 8 of the bits, of which its own is left.
  const __m256i spread = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2,
                                          2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
  const __m256i own = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201));
  const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(bits), spread);
  return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, own), own);
}

// Adds the products, negated where signs (0 or -1) say so: (p ^ s) - s.
__m256i AddSigned(__m256i sums, __m256i products, __m256i signs) {
  return _mm256_sub_epi16(_mm256_add_epi16(sums, _mm256_xor_si256(products, signs)), signs);
}

void AddTriple(__m256i indices, const uint8_t* low_table, const uint8_t* high_table,
               const uint8_t* sign_bits, RowSums16& sums) {
  const __m256i low = LookUp(low_table, indices);
  const __m256i high = LookUp(high_table, indices);
  const __m256i signs = SignBytes(sign_bits);
  sums.first =
      AddSigned(sums.first, _mm256_unpacklo_epi8(low, high), _mm256_unpacklo_epi8(signs, signs));
  sums.second =
      AddSigned(sums.second, _mm256_unpackhi_epi8(low, high), _mm256_unpackhi_epi8(signs, signs));
}

void AddTile(const uint8_t* tile, const Tables& tables, size_t triple, RowSums16& sums) {
  const __m256i nibble = _mm256_set1_epi8(15);
  PrefetchTileAfter(tile);
  for (size_t i = 0; i < kTL2R32Triples; i += 2) {
    const __m256i pair = Load(tile + i / 2 * kTL2R32Rows);
    const uint8_t* signs = tile + kTL2R32SignsAt + 4 * i;
    AddTriple(_mm256_and_si256(pair, nibble), tables.low[triple + i], tables.high[triple + i],
              signs, sums);
    AddTriple(_mm256_and_si256(_mm256_srli_epi16(pair, 4), nibble), tables.low[triple + i + 1],
              tables.high[triple + i + 1], signs + 4, sums);
  }
}

// Adds 8 rows' 16-bit sums to 32-bit ones.
void Widen(__m128i sums16, int32_t* sums) {
  const __m256i wide = _mm256_add_epi32(Load(sums), _mm256_cvtepi16_epi32(sums16));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums), wide);
}

// 32 rows times the tiles of one block of columns.
void AddTiles(const uint8_t* weights, size_t tiles, const Tables& tables, int32_t* sums) {
  for (size_t begin = 0; begin < tiles; begin += kTL2R32TilesBeforeWidening) {
    const size_t rest = tiles - begin;
    const size_t end =
        begin + (rest < kTL2R32TilesBeforeWidening ? rest : kTL2R32TilesBeforeWidening);
    RowSums16 sums16 = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (size_t tile = begin; tile < end; ++tile) {
      AddTile(weights + tile * kTL2R32TileBytes, tables, tile * kTL2R32Triples, sums16);
    }
    Widen(_mm256_castsi256_si128(sums16.first), sums);
    Widen(_mm256_castsi256_si128(sums16.second), sums + 8);
    Widen(_mm256_extracti128_si256(sums16.first, 1), sums + 16);
    Widen(_mm256_extracti128_si256(sums16.second, 1), sums + 24);
  }
}

}  // namespace

void GemvTL2R32Avx2(const GemvArgs& args) { RunTL2R32<Tables, MakeTables, AddTiles>(args); }

}  // namespace tern
