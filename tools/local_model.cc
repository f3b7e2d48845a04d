// SPDX-License-Identifier: MIT
#include "tools/local_model.h"

#include <cstdio>
#include <iostream>
#include <iterator>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/cpuset.h"
#include "base/mapped_file.h"
#include "base/status_macros.h"
#include "base/topology.h"
#include "kernels/registry.h"
#include "tools/kv_choice.h"
#include "tools/progress.h"

namespace tern {

void LocalModelFlags::AddTo(CLI::App& command) {
  command.add_option("model", model_path, "GGUF file or Hugging Face directory")->required();
  AddKvChoice(command, kv_type);
  command.add_option("--threads", threads, "Compute threads; 0: one for each core")
      ->capture_default_str();
  command.add_option("--kernel", kernel,
                     "Force kernels: an instruction set, a packing, or both, e.g. avx2,t2r16");
}

absl::StatusOr<OpenedModel> OpenModel(const std::string& path, bool needs_tokenizer,
                                      const ModelFileOptions& options) {
  OpenedModel opened;
  TERN_ASSIGN_OR_RETURN(opened.file, ModelFile::Open(path, options));
  for (const std::string& note : opened.file->notes()) {
    std::fprintf(stderr, "note: %s\n", note.c_str());
  }
  const absl::StatusOr<Vocabulary> vocabulary = opened.file->ReadVocabulary();
  if (!needs_tokenizer && absl::IsNotFound(vocabulary.status())) return opened;
  if (!vocabulary.ok()) return vocabulary.status();
  TERN_ASSIGN_OR_RETURN(opened.tokenizer, opened.file->MakeTokenizer(*vocabulary));
  for (const std::string& note : opened.tokenizer->notes()) {
    std::fprintf(stderr, "note: %s\n", note.c_str());
  }
  return opened;
}

absl::StatusOr<LocalModel> LoadLocalModel(const LocalModelFlags& flags, bool needs_tokenizer) {
  TERN_ASSIGN_OR_RETURN(Kernels kernels, ChooseKernels(flags.kernel));
  kernels.may_cache = true;
  TERN_ASSIGN_OR_RETURN(OpenedModel opened, OpenModel(flags.model_path, needs_tokenizer));
  LocalModel model;
  model.file = std::move(opened.file);
  model.tokenizer = std::move(opened.tokenizer);
  TERN_ASSIGN_OR_RETURN(const Topology topology, DetectTopology());
  kernels.l2_bytes = topology.l2_bytes;
  ThreadPoolOptions options;
  TERN_ASSIGN_OR_RETURN(options.cpus, ParseCpuset("auto", topology));
  options.threads = flags.threads == 0 ? options.cpus.size() : flags.threads;
  TERN_ASSIGN_OR_RETURN(model.pool, ThreadPool::Create(options));
  ProgressBar bar("loading");
  const ModelConfig& config = model.file->config();
  TERN_ASSIGN_OR_RETURN(
      model.transformer,
      Transformer::Load(config, {0, config.layers}, model.file->tensors(), kernels,
                        model.pool.get(), [&bar](float share) { bar.Update(share); }));
  return model;
}

absl::StatusOr<std::vector<TokenId>> ParseTokenIds(const std::string& text) {
  std::vector<TokenId> ids;
  for (const absl::string_view part :
       absl::StrSplit(text, absl::ByAnyChar(", \t\r\n"), absl::SkipEmpty())) {
    TokenId id = 0;
    if (!absl::SimpleAtoi(part, &id) || id < 0) {
      return absl::InvalidArgumentError(absl::StrCat("token id: found \"",
                                                     absl::Utf8SafeCEscape(part.substr(0, 40)),
                                                     "\", want whole numbers"));
    }
    ids.push_back(id);
  }
  return ids;
}

absl::StatusOr<std::string> ReadInput(const std::string& path) {
  if (path == "-") {
    return std::string(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
  }
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<MappedFile> file, MappedFile::Open(path));
  const std::span<const uint8_t> bytes = file->bytes();
  return std::string(bytes.begin(), bytes.end());
}

}  // namespace tern
