// SPDX-License-Identifier: MIT
#include "model/rope.h"

#include <cmath>

namespace tern {

RopeTables::RopeTables(const ModelConfig& config)
    : half_(config.head_dim / 2),
      cosines_(size_t{config.context} * half_),
      sines_(size_t{config.context} * half_) {
  for (size_t j = 0; j < half_; ++j) {
    const double frequency =
        std::pow(double{config.rope_theta}, -static_cast<double>(j) / static_cast<double>(half_));
    for (size_t position = 0; position < config.context; ++position) {
      const double angle = static_cast<double>(position) * frequency;
      cosines_[position * half_ + j] = static_cast<float>(std::cos(angle));
      sines_[position * half_ + j] = static_cast<float>(std::sin(angle));
    }
  }
}

void RopeTables::Rotate(uint32_t position, size_t heads, float* x) const {
  const float* cosine = cosines_.data() + position * half_;
  const float* sine = sines_.data() + position * half_;
  for (size_t head = 0; head < heads; ++head) {
    float* a = x + head * 2 * half_;
    float* b = a + half_;
    for (size_t j = 0; j < half_; ++j) {
      const float rotated = a[j] * cosine[j] - b[j] * sine[j];
      b[j] = b[j] * cosine[j] + a[j] * sine[j];
      a[j] = rotated;
    }
  }
}

}  // namespace tern
