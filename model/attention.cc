// SPDX-License-Identifier: MIT
#include "model/attention.h"

#include <algorithm>
#include <cstring>

namespace tern {
namespace {

float Dot(const VectorOps& ops, const float* x, const float* y, size_t n) {
  return ops.dot(x, y, n);
}
float Dot(const VectorOps& ops, const uint16_t* x, const float* y, size_t n) {
  return ops.dot_f16(x, y, n);
}
void AddScaled(const VectorOps& ops, float weight, const float* x, float* y, size_t n) {
  ops.add_scaled(weight, x, y, n);
}
void AddScaled(const VectorOps& ops, float weight, const uint16_t* x, float* y, size_t n) {
  ops.add_scaled_f16(weight, x, y, n);
}

// The first token that the row attends to.
size_t FirstToken(const BatchRow& row, const KvLayer& where) {
  const size_t tokens = size_t{row.position} + 1;
  return where.window == 0 || tokens <= where.window ? 0 : tokens - where.window;
}

// Calls visit(i, keys or values of `kv_head`) for the tokens from the first to the row's own, with
// i counted from 0. page_data(page) gives the keys or the values of a page.
template <typename T, typename PageData, typename Visit>
void ForEachToken(const BatchRow& row, const KvLayer& where, uint32_t kv_head, PageData page_data,
                  Visit visit) {
  const size_t first = FirstToken(row, where);
  const size_t tokens = size_t{row.position} + 1;
  for (size_t begin = first; begin < tokens;) {
    const uint8_t* page = page_data(row.pages[begin / kKvPageTokens]);
    const size_t in_page = begin % kKvPageTokens;
    const T* element = reinterpret_cast<const T*>(page) + in_page * where.kv_dim +
                       size_t{kv_head} * where.head_dim;
    const size_t end = std::min<size_t>(begin - in_page + kKvPageTokens, tokens);
    for (; begin < end; ++begin, element += where.kv_dim) visit(begin - first, element);
  }
}

template <typename T>
void AttendTyped(const VectorOps& ops, const BatchRow& row, const KvLayer& where, uint32_t kv_head,
                 const KvCache& cache, const float* query, float* scores, float* out) {
  const size_t tokens = size_t{row.position} + 1 - FirstToken(row, where);
  const size_t dim = where.head_dim;

  ForEachToken<T>(
      row, where, kv_head, [&](uint32_t page) { return cache.Keys(where.layer, page); },
      [&](size_t i, const T* key) { scores[i] = Dot(ops, key, query, dim) * where.scale; });

  ops.exp_shifted(scores, ops.max(scores, tokens), tokens);
  const float sum = ops.sum(scores, tokens);

  std::fill_n(out, dim, 0.0f);
  ForEachToken<T>(
      row, where, kv_head, [&](uint32_t page) { return cache.Values(where.layer, page); },
      [&](size_t i, const T* value) { AddScaled(ops, scores[i], value, out, dim); });
  for (size_t j = 0; j < dim; ++j) out[j] /= sum;
}

}  // namespace

void StoreKeyValue(const VectorOps& ops, const BatchRow& row, const KvLayer& where,
                   const float* keys, const float* values, KvCache& cache) {
  const uint32_t page = row.pages[row.position / kKvPageTokens];
  const size_t offset = size_t{row.position % kKvPageTokens} * where.kv_dim;
  const auto store = [&](const float* from, uint8_t* to) {
    if (cache.type() == KvType::kF16) {
      ops.to_f16(from, reinterpret_cast<uint16_t*>(to) + offset, where.kv_dim);
    } else {
      std::copy_n(from, where.kv_dim, reinterpret_cast<float*>(to) + offset);
    }
  };
  store(keys, cache.Keys(where.layer, page));
  store(values, cache.Values(where.layer, page));
}

void Attend(const VectorOps& ops, const BatchRow& row, const KvLayer& where, uint32_t kv_head,
            const KvCache& cache, const float* query, float* scores, float* out) {
  if (cache.type() == KvType::kF16) {
    AttendTyped<uint16_t>(ops, row, where, kv_head, cache, query, scores, out);
  } else {
    AttendTyped<float>(ops, row, where, kv_head, cache, query, scores, out);
  }
}

}  // namespace tern
