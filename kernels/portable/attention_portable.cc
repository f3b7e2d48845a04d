// SPDX-License-Identifier: MIT
// attention_portable: plain C++, the fallback.
#include "kernels/attention_q8_inl.h"
#include "kernels/portable/lanes_portable.h"
#include "kernels/variants.h"

namespace tern {
namespace {

// Codes are multiplied with kQ8Zero subtracted, so no sum of x is.
struct PortableSums {
  using Codes = const uint8_t*;
  int32_t v[kLanes];

  static Codes Load(const uint8_t* tile) { return tile; }
  static PortableSums Begin(int32_t /*x_sum*/) { return {}; }
  void Add(Codes codes, const int8_t* x) {
    for (size_t l = 0; l < kLanes; ++l, codes += kQ8TileDepth) {
      for (size_t c = 0; c < kQ8TileDepth; ++c) v[l] += (codes[c] - kQ8Zero) * x[c];
    }
  }
  static PortableLanes Join(const PortableSums& high, const PortableSums& low) {
    PortableLanes joined;
    for (size_t l = 0; l < kLanes; ++l) {
      joined.v[l] = static_cast<float>(kQ8DigitBase * high.v[l] + low.v[l]);
    }
    return joined;
  }
};

}  // namespace

constinit const AttentionKernel kAttentionPortable = {
    .name = "attention_portable",
    .isa = Isa::kPortable,
    .run_f16 = RunAttention<PortableLanes, 2, 1, uint16_t>,
    .run_f32 = RunAttention<PortableLanes, 2, 1, float>,
    .run_q8 = RunAttentionQ8<PortableLanes, PortableSums, 2, 1>,
    .merge = MergeSums<PortableLanes>};

}  // namespace tern
