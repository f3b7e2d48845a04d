// SPDX-License-Identifier: MIT
#include "model/model_file.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/gguf_config.h"
#include "model/hf_model.h"
#include "model/scale_folding.h"
#include "model/ternarise.h"
#include "text/vocabulary_directory.h"

namespace tern {

ModelFile::ModelFile() = default;
ModelFile::~ModelFile() = default;

absl::StatusOr<std::unique_ptr<ModelFile>> ModelFile::Open(const std::string& path) {
  std::unique_ptr<ModelFile> file(new ModelFile);
  file->path_ = path;
  std::error_code ignored;
  const bool is_directory = std::filesystem::is_directory(path, ignored);
  TERN_RETURN_IF_ERROR(is_directory ? file->OpenDirectory() : file->OpenGguf());
  return file;
}

absl::Status ModelFile::OpenGguf() {
  TERN_ASSIGN_OR_RETURN(gguf_, GgufFile::Open(path_));
  tensors_ = gguf_.get();
  const auto put_on_top = [this](std::unique_ptr<TensorSource> source) {
    tensors_ = layers_.emplace_back(std::move(source)).get();
  };
  for (const TensorInfo& tensor : gguf_->tensors()) {
    if (!absl::EndsWith(tensor.name, ".scale")) continue;
    put_on_top(std::make_unique<ScaleFoldingSource>(*tensors_));
    break;
  }
  TERN_RETURN_IF_ERROR(AddTernarising());
  TERN_ASSIGN_OR_RETURN(config_, ReadModelConfig(*gguf_, *tensors_));
  return absl::OkStatus();
}

// Files of type F16 or F32 have their matrices dense. Those that are trits times a scale are taken
// so; BitNet's own architectures are trained to be rounded, others are not.
absl::Status ModelFile::AddTernarising() {
  const auto is_matrix = [](absl::string_view name) {
    const bool in_layer = absl::StartsWith(name, "blk.") && absl::EndsWith(name, ".weight");
    return in_layer && !absl::StrContains(name, "norm");
  };
  const auto dense =
      std::find_if(gguf_->tensors().begin(), gguf_->tensors().end(), [&](const TensorInfo& tensor) {
        const bool is_float = tensor.type == TensorType::kF32 || tensor.type == TensorType::kF16 ||
                              tensor.type == TensorType::kBF16;
        return is_matrix(tensor.name) && is_float && tensor.shape.size() == 2;
      });
  if (dense == gguf_->tensors().end()) return absl::OkStatus();
  const absl::StatusOr<std::string> architecture = gguf_->String("general.architecture");
  const bool online = architecture.ok() && absl::StartsWith(*architecture, "bitnet");
  notes_.push_back(absl::StrCat("matrices are stored as ", TensorTypeName(dense->type),
                                ": made ternary as they are read"));
  layers_.push_back(std::make_unique<TernarisingSource>(*tensors_, is_matrix, online));
  tensors_ = layers_.back().get();
  return absl::OkStatus();
}

absl::Status ModelFile::OpenDirectory() {
  TERN_ASSIGN_OR_RETURN(hf_, HfModel::Open(path_));
  config_ = hf_->config();
  notes_ = hf_->notes();
  tensors_ = hf_.get();
  return absl::OkStatus();
}

absl::StatusOr<Vocabulary> ModelFile::ReadVocabulary() const {
  if (hf_ != nullptr) return ReadVocabularyOfDirectory(path_);
  return tern::ReadVocabulary(*gguf_);
}

}  // namespace tern
