// SPDX-License-Identifier: MIT
// The option --kv, as every command has it.
#ifndef TERN_TOOLS_KV_CHOICE_H_
#define TERN_TOOLS_KV_CHOICE_H_

#include <CLI/CLI.hpp>

#include "model/kv_cache.h"
#include "tools/choices.h"

namespace tern {

// `type` must outlive the parsing.
inline void AddKvChoice(CLI::App& command, KvType& type) {
  const Choices<KvType> types = {{"f16", KvType::kF16}, {"f32", KvType::kF32}, {"q8", KvType::kQ8}};
  AddChoice(command, "--kv", type, types,
            "Precision of cached keys and values; q8 takes half the memory of f16 and raises "
            "the sample model's perplexity by 0.01 %")
      ->default_str(KvTypeName(type));
}

}  // namespace tern

#endif  // TERN_TOOLS_KV_CHOICE_H_
