// SPDX-License-Identifier: MIT
// A whole model in this process, with its tokenizer: what commands without a cluster stand on.
#ifndef TERN_TOOLS_LOCAL_MODEL_H_
#define TERN_TOOLS_LOCAL_MODEL_H_

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/thread_pool.h"
#include "model/kv_cache.h"
#include "model/model_file.h"
#include "model/transformer.h"
#include "text/tokenizer.h"

namespace tern {

// The flags that such commands share.
struct LocalModelFlags {
  std::string model_path;
  size_t threads = 0;  // 0: one for each core
  std::string kernel;
  KvType kv_type = KvType::kF16;

  // Adds the positional `model` and the options.
  void AddTo(CLI::App& command);
};

struct OpenedModel {
  std::unique_ptr<ModelFile> file;
  std::unique_ptr<Tokenizer> tokenizer;  // null if there is none and none is needed
};

// Opens a model and its tokenizer, and prints their notes to stderr. Errors of both; a model
// without a tokenizer is one of them only if `needs_tokenizer`.
absl::StatusOr<OpenedModel> OpenModel(const std::string& path, bool needs_tokenizer,
                                      const ModelFileOptions& options = {});

struct LocalModel {
  std::unique_ptr<ModelFile> file;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<Transformer> transformer;
};

// Loads all of a model, with a progress bar.
absl::StatusOr<LocalModel> LoadLocalModel(const LocalModelFlags& flags, bool needs_tokenizer);

// Whole numbers apart from each other by spaces, commas or newlines. INVALID_ARGUMENT for anything
// else.
absl::StatusOr<std::vector<TokenId>> ParseTokenIds(const std::string& text);

// The bytes of a file; "-" is stdin.
absl::StatusOr<std::string> ReadInput(const std::string& path);

}  // namespace tern

#endif  // TERN_TOOLS_LOCAL_MODEL_H_
