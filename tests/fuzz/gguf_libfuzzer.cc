// SPDX-License-Identifier: MIT
// libFuzzer's mutations of GGUF files.
#include <algorithm>
#include <cstring>

#include "tests/fuzz/gguf_mutator.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed) {
  const auto blind = [max_size](std::string& bytes) {
    const size_t room = std::min(max_size, bytes.size() + 64);
    const size_t old = std::min(bytes.size(), room);
    bytes.resize(room);
    if (room > 0) {
      bytes.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(bytes.data()), old, room));
    }
  };
  const std::string mutated =
      tern::MutateGguf({reinterpret_cast<const char*>(data), size}, seed, blind);
  const size_t bytes = std::min(mutated.size(), max_size);
  std::memcpy(data, mutated.data(), bytes);
  return bytes;
}
