// SPDX-License-Identifier: MIT
// Mutates GGUF files along their structure: a blind flip mostly ends in the header, these reach
// what lies behind it.
#ifndef TERN_TESTS_FUZZ_GGUF_MUTATOR_H_
#define TERN_TESTS_FUZZ_GGUF_MUTATOR_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"

namespace tern {

// Changes some of a text's bytes and maybe its length, without knowing what they mean.
using BlindMutation = std::function<void(std::string& bytes)>;

// `bytes` with one mistake, or a few, drawn from `seed`: a key or a tensor more, fewer, in another
// place or with another number in one of its fields; a count, a length or the data that does not
// fit; bytes of one part changed by `blind`. What does not even begin as a GGUF file goes to
// `blind` as a whole, and so do some others.
std::string MutateGguf(absl::string_view bytes, uint32_t seed, const BlindMutation& blind);

}  // namespace tern

#endif  // TERN_TESTS_FUZZ_GGUF_MUTATOR_H_
