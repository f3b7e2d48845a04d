// SPDX-License-Identifier: MIT
// The vector operations of kernels/vector_ops.h, once for all instruction sets, over a type V of
// 16 float lanes. Included by exactly the vector_<isa>.cc and attention_<isa>.cc files.
//
// Everything is in an anonymous namespace, against the habit for headers, so that each of these
// files has copies of its own: the linker must not take one file's AVX-512 code for all.
//
// V has static Load, LoadF16, LoadBf16 and Broadcast; Store, StoreF16 and StoreInt8 (rounded half
// to even); + - * /, Round (half to even, for magnitudes below 2^22), Abs, Max(a, b) = a > b ? a :
// b and SelectLess(a, b, yes, no) = a < b ? yes : no by lane; Times(x, v) = *x * v; ExponentBits
// (bits << 23); FoldSum, which adds the lanes 8-4-2-1, and FoldMax, the largest lane where none is
// a NaN, any of the largest if they are zeros.
#ifndef TERN_KERNELS_VECTOR_OPS_INL_H_
#define TERN_KERNELS_VECTOR_OPS_INL_H_

#include "kernels/group_gemm.h"
#include "kernels/vector_ops.h"

namespace tern {
namespace {

constexpr size_t kLanes = 16;
constexpr size_t kSumBlockCols = kDotBlockCols;

template <typename V>
V LoadLanes(const float* x) {
  return V::Load(x);
}
template <typename V>
V LoadLanes(const uint16_t* f16) {
  return V::LoadF16(f16);
}

// The upper half of a float. A type of its own, as uint16_t is f16.
struct Bf16 {
  uint16_t bits;
};
template <typename V>
V LoadLanes(const Bf16* bf16) {
  return V::LoadBf16(&bf16->bits);
}

// x[i .. i+15], with `pad` for columns from n on.
template <typename V, typename T>
V LoadAt(const T* x, size_t i, size_t n, T pad = {}) {
  if (i + kLanes <= n) return LoadLanes<V>(x + i);
  T padded[kLanes];
  for (size_t lane = 0; lane < kLanes; ++lane) padded[lane] = i + lane < n ? x[i + lane] : pad;
  return LoadLanes<V>(padded);
}

// Stores the lanes of v that are columns below n to x[i ..].
template <typename V>
void StoreAt(V v, float* x, size_t i, size_t n) {
  if (i + kLanes <= n) return v.Store(x + i);
  float lanes[kLanes];
  v.Store(lanes);
  for (size_t lane = 0; i + lane < n; ++lane) x[i + lane] = lanes[lane];
}

// Sums term(i), the lanes of columns i .. i+15, in the order that vector_ops.h documents. Whole
// vectors past n, +0 by that order, are left out: they could only turn a lane from -0 to +0, and
// the total, which starts from +0, is the same for both.
template <typename V, typename Term>
float Sum(size_t n, Term term) {
  float total = 0;
  for (size_t block = 0; block < n; block += kSumBlockCols) {
    const size_t end = block + kSumBlockCols < n ? block + kSumBlockCols : n;
    V lanes = term(block);
    for (size_t i = block + kLanes; i < end; i += kLanes) lanes = lanes + term(i);
    total += lanes.FoldSum();
  }
  return total;
}

template <typename V, typename T>
float Dot(const T* x, const float* y, size_t n) {
  return Sum<V>(n, [=](size_t i) { return LoadAt<V>(x, i, n) * LoadAt<V>(y, i, n); });
}

// Adds the totals of one block, columns [begin, end), to `totals`; load(p, i) gives p[i .. i+15].
template <typename V, typename Load>
void AddBlockDots(const float* x, const float* y, size_t y_stride, size_t begin, size_t end,
                  Load load, float* totals) {
  V at_i = load(x, begin);
  V lanes[kDots];
  for (size_t d = 0; d < kDots; ++d) lanes[d] = at_i * load(y + d * y_stride, begin);
  for (size_t i = begin + kLanes; i < end; i += kLanes) {
    at_i = load(x, i);
    for (size_t d = 0; d < kDots; ++d) lanes[d] = lanes[d] + at_i * load(y + d * y_stride, i);
  }
  for (size_t d = 0; d < kDots; ++d) totals[d] += lanes[d].FoldSum();
}

// Four sums at a time: a load of x serves four products, and no sum waits for another's addition.
template <typename V>
void AddDots(const float* x, const float* y, size_t y_stride, size_t n, float* totals) {
  size_t block = 0;
  for (; block + kSumBlockCols <= n; block += kSumBlockCols) {
    const auto load = [](const float* p, size_t i) { return LoadLanes<V>(p + i); };
    AddBlockDots<V>(x, y, y_stride, block, block + kSumBlockCols, load, totals);
  }
  if (block == n) return;
  const auto load = [n](const float* p, size_t i) { return LoadAt<V>(p, i, n); };
  AddBlockDots<V>(x, y, y_stride, block, n, load, totals);
}

template <typename V>
float SumOf(const float* x, size_t n) {
  return Sum<V>(n, [=](size_t i) { return LoadAt<V>(x, i, n); });
}

// What no number compares greater with starts the maximum, so a result of -infinity may stand for
// nothing but NaNs.
template <typename V>
float Max(const float* x, size_t n) {
  const float lowest = -__builtin_inff();
  V lanes = V::Broadcast(lowest);
  for (size_t i = 0; i < n; i += kLanes) lanes = V::Max(LoadAt<V>(x, i, n, lowest), lanes);
  const float max = lanes.FoldMax();
  if (max > lowest) return max + 0.0f;  // -0 becomes +0, whichever of the two came first
  for (size_t i = 0; i < n; ++i) {
    if (x[i] == lowest) return lowest;
  }
  return __builtin_nanf("");
}

template <typename V, typename T>
void AddScaled(float weight, const T* x, float* y, size_t n) {
  const V w = V::Broadcast(weight);
  for (size_t i = 0; i < n; i += kLanes) {
    StoreAt(LoadAt<V>(y, i, n) + w * LoadAt<V>(x, i, n), y, i, n);
  }
}

// exp(t) = 2^k * exp(r) with t = k ln2 + r, |r| <= ln2 / 2 (Cody and Waite: ln2 in two parts, the
// first short enough that k * kLn2High is exact).
template <typename V>
V Exp(V t) {
  const V log2e = V::Broadcast(0x1.715476p+0f);
  const V ln2_high = V::Broadcast(0x1.63p-1f);
  const V ln2_low = V::Broadcast(-0x1.bd0106p-13f);
  // Adding 1.5 * 2^23 rounds to an integer; 127 more leaves k's biased exponent in the low bits.
  const V shifter = V::Broadcast(0x1.8p23f + 127.0f);
  const V shifted = t * log2e + shifter;
  const V k = shifted - shifter;
  const V r = t - k * ln2_high - k * ln2_low;
  V p = V::Broadcast(1.0f / 5040);
  p = p * r + V::Broadcast(1.0f / 720);
  p = p * r + V::Broadcast(1.0f / 120);
  p = p * r + V::Broadcast(1.0f / 24);
  p = p * r + V::Broadcast(1.0f / 6);
  p = p * r + V::Broadcast(0.5f);
  p = (p * (r * r) + r) + V::Broadcast(1.0f);
  p = p * V::ExponentBits(shifted);
  p = V::SelectLess(t, V::Broadcast(-87.0f), V::Broadcast(0.0f), p);
  return V::SelectLess(V::Broadcast(88.0f), t, V::Broadcast(__builtin_inff()), p);
}

template <typename V>
void ExpShifted(float* x, float shift, size_t n) {
  const V s = V::Broadcast(shift);
  for (size_t i = 0; i < n; i += kLanes) StoreAt(Exp(LoadAt<V>(x, i, n) - s), x, i, n);
}

template <typename V>
void ToF16(const float* x, uint16_t* y, size_t n) {
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) V::Load(x + i).StoreF16(y + i);
  uint16_t tail[kLanes];
  LoadAt<V>(x, i, n).StoreF16(tail);
  for (size_t lane = 0; i + lane < n; ++lane) y[i + lane] = tail[lane];
}

template <typename V>
void FromF16(const uint16_t* x, float* y, size_t n) {
  for (size_t i = 0; i < n; i += kLanes) StoreAt(LoadAt<V>(x, i, n), y, i, n);
}

template <typename V>
void RmsNorm(const float* x, const float* weight, float eps, float* y, size_t n) {
  const float mean_square = Dot<V>(x, x, n) / static_cast<float>(n);
  const V scale = V::Broadcast(1.0f / __builtin_sqrtf(mean_square + eps));
  for (size_t i = 0; i < n; i += kLanes) {
    StoreAt((LoadAt<V>(x, i, n) * scale) * LoadAt<V>(weight, i, n), y, i, n);
  }
}

// max(max|x|, 1e-5), by which a row is scaled. NaN is ignored.
template <typename V>
float AbsMax(const float* x, size_t n) {
  V lanes = V::Broadcast(1e-5f);
  for (size_t i = 0; i < n; i += kLanes) lanes = V::Max(LoadAt<V>(x, i, n).Abs(), lanes);
  return lanes.FoldMax();
}

// |x * s| is at most 127 and two roundings, so it never reaches 128 and needs no clamp; a NaN is
// not less than 128 and becomes 0.
template <typename V>
V Quantize(V x, V s) {
  const V scaled = x * s;
  return V::SelectLess(scaled.Abs(), V::Broadcast(128.0f), scaled, V::Broadcast(0.0f));
}

template <typename V>
float QuantizeRow(const float* x, int8_t* q, int32_t* sum, size_t n) {
  const float s = 127.0f / AbsMax<V>(x, n);
  const V scale = V::Broadcast(s);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) Quantize(V::Load(x + i), scale).StoreInt8(q + i);
  int8_t tail[kLanes];
  Quantize(LoadAt<V>(x, i, n), scale).StoreInt8(tail);
  for (size_t lane = 0; i + lane < n; ++lane) q[i + lane] = tail[lane];
  int32_t total = 0;
  for (i = 0; i < n; ++i) total += q[i];
  *sum = total;
  return s;
}

// q is a whole number, exact in a float, and so is what each digit leaves. The first digit is at
// most 127: 4,000,000 / 178^2 = 126.2; the others at most 90 in magnitude, half the base and the
// rounding of the quotient.
template <typename V>
void SplitWide(V q, int8_t* const digits[kWideDigits], size_t i) {
  constexpr float kBase = kWideBase;
  const V first = (q * V::Broadcast(1.0f / (kBase * kBase))).Round();
  const V rest = q - first * V::Broadcast(kBase * kBase);
  const V second = (rest * V::Broadcast(1.0f / kBase)).Round();
  first.StoreInt8(digits[0] + i);
  second.StoreInt8(digits[1] + i);
  (rest - second * V::Broadcast(kBase)).StoreInt8(digits[2] + i);
}

// |x * s| is at most kWideMax and two roundings, below 1. A NaN is not less than the bound and
// becomes 0.
template <typename V>
V QuantizeWide(V x, V s) {
  const V scaled = x * s;
  const V bound = V::Broadcast(kWideMax + 2.0f);
  return V::SelectLess(scaled.Abs(), bound, scaled, V::Broadcast(0.0f)).Round();
}

template <typename V>
float QuantizeRowWide(const float* x, int8_t* const digits[kWideDigits], size_t n) {
  const float s = static_cast<float>(kWideMax) / AbsMax<V>(x, n);
  const V scale = V::Broadcast(s);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) SplitWide(QuantizeWide(V::Load(x + i), scale), digits, i);
  int8_t tails[kWideDigits][kLanes];
  int8_t* const tail[kWideDigits] = {tails[0], tails[1], tails[2]};
  SplitWide(QuantizeWide(LoadAt<V>(x, i, n), scale), tail, 0);
  for (size_t lane = 0; i + lane < n; ++lane) {
    for (int digit = 0; digit < kWideDigits; ++digit) digits[digit][i + lane] = tails[digit][lane];
  }
  return s;
}

// gate[i] = activation(gate[i]) * up[i].
template <typename V, V (*activation)(V)>
void ActivationTimes(float* gate, const float* up, size_t n) {
  for (size_t i = 0; i < n; i += kLanes) {
    StoreAt(activation(LoadAt<V>(gate, i, n)) * LoadAt<V>(up, i, n), gate, i, n);
  }
}

template <typename V>
V SquaredRelu(V x) {
  const V zero = V::Broadcast(0.0f);
  const V positive = V::SelectLess(zero, x, x, zero);
  return positive * positive;
}

// x / (1 + e^-t): e^-t saturates at 0 and infinity, so the limits are x and a zero.
template <typename V>
V TimesSigmoid(V x, V t) {
  return x / (V::Broadcast(1.0f) + Exp(V::Broadcast(0.0f) - t));
}

template <typename V>
V Silu(V x) {
  return TimesSigmoid(x, x);
}

template <typename V>
V Gelu(V x) {
  const V cubic = V::Broadcast(0.044715f) * (x * x * x);
  const V twice_root = V::Broadcast(2 * 0.7978845608028654f);  // 2 sqrt(2 / pi)
  return TimesSigmoid(x, twice_root * (x + cubic));
}

// As the table has it: a pointer to uint16_t.
template <typename V>
float DotBf16(const uint16_t* x, const float* y, size_t n) {
  return Dot<V>(reinterpret_cast<const Bf16*>(x), y, n);
}

template <typename V>
void FromBf16(const uint16_t* x, float* y, size_t n) {
  const Bf16* bf16 = reinterpret_cast<const Bf16*>(x);
  for (size_t i = 0; i < n; i += kLanes) StoreAt(LoadAt<V>(bf16, i, n), y, i, n);
}

template <typename V>
constexpr VectorOps MakeVectorOps(const char* name, Isa isa) {
  return {.name = name,
          .isa = isa,
          .dot = Dot<V, float>,
          .dot_f16 = Dot<V, uint16_t>,
          .dot_bf16 = DotBf16<V>,
          .add_dots = AddDots<V>,
          .sum = SumOf<V>,
          .max = Max<V>,
          .add_scaled = AddScaled<V, float>,
          .add_scaled_f16 = AddScaled<V, uint16_t>,
          .exp_shifted = ExpShifted<V>,
          .to_f16 = ToF16<V>,
          .from_f16 = FromF16<V>,
          .from_bf16 = FromBf16<V>,
          .rms_norm = RmsNorm<V>,
          .quantize_row = QuantizeRow<V>,
          .quantize_row_wide = QuantizeRowWide<V>,
          .squared_relu_times = ActivationTimes<V, SquaredRelu<V>>,
          .silu_times = ActivationTimes<V, Silu<V>>,
          .gelu_times = ActivationTimes<V, Gelu<V>>};
}

}  // namespace
}  // namespace tern

#endif  // TERN_KERNELS_VECTOR_OPS_INL_H_
