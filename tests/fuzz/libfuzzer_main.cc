// SPDX-License-Identifier: MIT
// The entry point that libFuzzer calls.
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tern::RunFuzzTarget({data, size}).IgnoreError();
  return 0;
}
