// SPDX-License-Identifier: MIT
// Bounds of the frames that tests of links send.
#ifndef TERN_TESTS_SUPPORT_FRAME_LIMITS_H_
#define TERN_TESTS_SUPPORT_FRAME_LIMITS_H_

#include "cluster/frame_codec.h"

namespace tern {

inline constexpr FrameLimits kLimits = {.epoch = 7,
                                        .dim = 8,
                                        .vocab = 100,
                                        .outputs = 100,
                                        .context = 64,
                                        .kv_pages = 50,
                                        .max_rows = 16,
                                        .expect_hidden = true};

}  // namespace tern

#endif  // TERN_TESTS_SUPPORT_FRAME_LIMITS_H_
