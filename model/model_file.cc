// SPDX-License-Identifier: MIT
#include "model/model_file.h"

#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/gguf_config.h"
#include "model/scale_folding.h"

namespace tern {

ModelFile::ModelFile() = default;
ModelFile::~ModelFile() = default;

absl::StatusOr<std::unique_ptr<ModelFile>> ModelFile::Open(const std::string& path) {
  std::unique_ptr<ModelFile> file(new ModelFile);
  file->path_ = path;
  TERN_RETURN_IF_ERROR(file->OpenGguf());
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
  TERN_ASSIGN_OR_RETURN(config_, ReadModelConfig(*gguf_, *tensors_));
  return absl::OkStatus();
}

absl::StatusOr<Vocabulary> ModelFile::ReadVocabulary() const {
  return tern::ReadVocabulary(*gguf_);
}

}  // namespace tern
