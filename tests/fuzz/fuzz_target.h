// SPDX-License-Identifier: MIT
// What a fuzz target is: one function. libfuzzer_main.cc feeds it mutated inputs, replay_main.cc
// the corpus.
#ifndef TERN_TESTS_FUZZ_FUZZ_TARGET_H_
#define TERN_TESTS_FUZZ_FUZZ_TARGET_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"

namespace tern {

// Reads `bytes` as the code under test does and reports whether it took them. Aborts if a promise
// of that code is broken.
absl::Status RunFuzzTarget(std::span<const uint8_t> bytes);

}  // namespace tern

#endif  // TERN_TESTS_FUZZ_FUZZ_TARGET_H_
