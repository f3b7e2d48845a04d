// SPDX-License-Identifier: MIT
#include "model/rope.h"

#include <algorithm>
#include <cmath>

namespace tern {

namespace {

constexpr double kPi = 3.14159265358979323846;

// The pair whose wave turns `turns` times within the trained context (arXiv:2309.00071, 3.2).
double PairOfTurns(const ModelConfig& config, double turns) {
  return config.head_dim * std::log(config.rope_original_context / (turns * 2 * kPi)) /
         (2 * std::log(double{config.rope_theta}));
}

// How far pair j is divided by the factor: 0 for the fast ones, 1 for the slow, linear between.
double YarnRamp(const ModelConfig& config, size_t j) {
  constexpr double kFastTurns = 32;
  constexpr double kSlowTurns = 1;
  const double low = std::max(std::floor(PairOfTurns(config, kFastTurns)), 0.0);
  double high = std::min(std::ceil(PairOfTurns(config, kSlowTurns)), config.head_dim - 1.0);
  if (high == low) high += 0.001;
  return std::clamp((static_cast<double>(j) - low) / (high - low), 0.0, 1.0);
}

double Frequency(const ModelConfig& config, RopeKind kind, size_t j) {
  const float theta = kind == RopeKind::kLocal ? config.local_rope_theta : config.rope_theta;
  const double half = config.head_dim / 2;
  const double frequency = std::pow(double{theta}, -static_cast<double>(j) / half);
  if (kind == RopeKind::kLocal) return frequency;
  switch (config.rope_scaling) {
    case RopeScaling::kNone:
      return frequency;
    case RopeScaling::kLinear:
      return frequency / config.rope_factor;
    case RopeScaling::kYarn: {
      const double ramp = YarnRamp(config, j);
      return frequency / config.rope_factor * ramp + frequency * (1 - ramp);
    }
  }
  return frequency;
}

double Magnitude(const ModelConfig& config, RopeKind kind) {
  if (kind == RopeKind::kLocal || config.rope_scaling != RopeScaling::kYarn) return 1;
  return 0.1 * std::log(double{config.rope_factor}) + 1;
}

}  // namespace

RopeTables::RopeTables(const ModelConfig& config, RopeKind kind)
    : half_(config.head_dim / 2),
      cosines_(size_t{config.context} * half_),
      sines_(size_t{config.context} * half_) {
  const double magnitude = Magnitude(config, kind);
  for (size_t j = 0; j < half_; ++j) {
    const double frequency = Frequency(config, kind, j);
    for (size_t position = 0; position < config.context; ++position) {
      const double angle = static_cast<double>(position) * frequency;
      cosines_[position * half_ + j] = static_cast<float>(std::cos(angle) * magnitude);
      sines_[position * half_ + j] = static_cast<float>(std::sin(angle) * magnitude);
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
