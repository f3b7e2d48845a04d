// SPDX-License-Identifier: MIT
// exp and log of doubles with the same bits on every machine: additions, multiplications and
// divisions only, where libm may round differently from one version to the next.
#ifndef TERN_MODEL_EXACT_MATH_H_
#define TERN_MODEL_EXACT_MATH_H_

namespace tern {

// e^x with a relative error below 1e-15, for x <= 700. 0 below -700 and for NaN.
double ExactExp(double x);

// The natural logarithm of a normal positive x, with an absolute error below 1e-15 + 1e-15 |log x|.
double ExactLog(double x);

}  // namespace tern

#endif  // TERN_MODEL_EXACT_MATH_H_
