// SPDX-License-Identifier: MIT
#include "model/exact_math.h"

#include <bit>
#include <cstdint>

namespace tern {
namespace {

// log 2 in two parts; the high one has 21 trailing zero bits, so its product with an exponent is
// exact.
constexpr double kLn2High = 0x1.62e42feep-1;
constexpr double kLn2Low = 0x1.a39ef35793c76p-33;

constexpr int kExponentBias = 1023;
constexpr int kMantissaBits = 52;

double PowerOfTwo(int64_t exponent) {
  return std::bit_cast<double>(static_cast<uint64_t>(exponent + kExponentBias) << kMantissaBits);
}

}  // namespace

// x = k log 2 + r with |r| <= log(2) / 2; e^x = 2^k e^r, and e^r by Taylor's series to r^13 / 13!,
// which leaves out less than 5e-18.
double ExactExp(double x) {
  if (!(x >= -700)) return 0;
  const auto k = static_cast<int64_t>(x * 0x1.71547652b82fep+0 + (x < 0 ? -0.5 : 0.5));
  const double r = x - static_cast<double>(k) * kLn2High - static_cast<double>(k) * kLn2Low;
  double series = 1;
  for (int n = 13; n >= 1; --n) series = 1 + series * r / n;
  return series * PowerOfTwo(k);
}

// x = 2^k m with m in [sqrt(1/2), sqrt(2)); log m = 2 artanh f with f = (m - 1) / (m + 1), and
// |f| < 0.172, by its series to f^21, which leaves out less than 2e-19.
double ExactLog(double x) {
  const auto bits = std::bit_cast<uint64_t>(x);
  int64_t k = static_cast<int64_t>(bits >> kMantissaBits) - kExponentBias;
  double m = std::bit_cast<double>((bits & ((uint64_t{1} << kMantissaBits) - 1)) |
                                   uint64_t{kExponentBias} << kMantissaBits);
  if (m > 0x1.6a09e667f3bcdp+0) {
    m *= 0.5;
    ++k;
  }
  const double f = (m - 1) / (m + 1);
  double series = 0;
  for (int n = 21; n >= 1; n -= 2) series = series * f * f + 1.0 / n;
  return static_cast<double>(k) * kLn2High + (static_cast<double>(k) * kLn2Low + 2 * f * series);
}

}  // namespace tern
