// SPDX-License-Identifier: MIT
// A complete model file that a test loads in milliseconds.
#ifndef TERN_TESTS_SUPPORT_TINY_MODEL_H_
#define TERN_TESTS_SUPPORT_TINY_MODEL_H_

#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "model/synth.h"

namespace tern {

// Random weights, 5 layers, a context of 256 tokens. The file is made at the first call in a
// process and removed when the process ends.
inline const std::string& TinyModelPath() {
  struct File {
    const std::string path = absl::StrCat(::testing::TempDir(), "tern-tiny-", getpid(), ".gguf");
    File() {
      ModelConfig config;
      config.architecture = "bitnet-b1.58";
      config.name = "tiny";
      config.vocab = 320;
      config.dim = 128;
      config.ffn_dim = 256;
      config.layers = 5;
      config.heads = 4;
      config.kv_heads = 2;
      config.head_dim = 32;
      config.context = 256;
      config.rope_theta = 10000;
      config.norm_eps = 1e-5f;
      config.sub_norms = true;
      const absl::Status written = WriteSyntheticModel(config, path, /*seed=*/1);
      EXPECT_TRUE(written.ok()) << written;
    }
    ~File() { unlink(path.c_str()); }
  };
  static const File file;
  return file.path;
}

}  // namespace tern

#endif  // TERN_TESTS_SUPPORT_TINY_MODEL_H_
