// SPDX-License-Identifier: MIT
// attention_portable: two rows at a time.
#include "kernels/attention_inl.h"
#include "kernels/portable/lanes_portable.h"
#include "kernels/variants.h"

namespace tern {

constinit const AttentionKernel kAttentionPortable = {
    .name = "attention_portable",
    .isa = Isa::kPortable,
    .run_f16 = RunAttention<PortableLanes, 2, 1, uint16_t>,
    .run_f32 = RunAttention<PortableLanes, 2, 1, float>,
    .merge = MergeSums<PortableLanes>};

}  // namespace tern
