// SPDX-License-Identifier: MIT
#include "model/model_file.h"

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/cache_directory.h"
#include "base/status_macros.h"
#include "model/content_id.h"
#include "model/gguf_config.h"
#include "model/hf_model.h"
#include "model/scale_folding.h"
#include "model/ternarise.h"
#include "text/vocabulary_directory.h"

namespace tern {
namespace {

// I2_S tensors of a dialect in the canonical layout.
class DialectSource final : public TensorSource {
 public:
  DialectSource(const TensorSource& source, I2SDialect dialect)
      : source_(source), dialect_(dialect) {}

  absl::StatusOr<TensorView> Find(absl::string_view name) const override {
    TERN_ASSIGN_OR_RETURN(TensorView view, source_.Find(name));
    if (view.info.type != TensorType::kI2S) return view;
    const uint64_t cols = view.info.cols(), rows = view.info.rows();
    if (dialect_ == I2SDialect::kFourRows && rows % 4 != 0) {
      return absl::FailedPreconditionError(absl::StrCat(
          "tensor ", name, ": found ", rows, " rows, want a multiple of 4 in this dialect"));
    }
    std::vector<int8_t> trits(rows * cols);
    std::vector<float> scales(rows);
    TERN_RETURN_IF_ERROR(UnpackI2SDialect(dialect_, view, 0, rows, {trits.data(), scales.data()}));
    auto bytes = std::make_shared<std::vector<uint8_t>>(view.info.bytes);
    TERN_RETURN_IF_ERROR(
        PackTernary(TensorType::kI2S, rows, cols, trits.data(), scales.data(), *bytes));
    return TensorView{view.info, *bytes, bytes};
  }

 private:
  const TensorSource& source_;
  const I2SDialect dialect_;
};

// Knows what the tensors below it are made from.
class IdentifiedSource final : public TensorSource {
 public:
  IdentifiedSource(const TensorSource& source, std::string path, I2SDialect dialect)
      : source_(source), path_(std::move(path)), dialect_(dialect) {}

  absl::StatusOr<TensorView> Find(absl::string_view name) const override {
    return source_.Find(name);
  }

  std::string ContentId(absl::string_view /*name*/) const override {
    std::call_once(once_, [this] {
      id_ = tern::ContentId(path_, DefaultCacheDirectory());
      if (!id_.empty()) absl::StrAppend(&id_, " dialect ", static_cast<int>(dialect_));
    });
    return id_;
  }

 private:
  const TensorSource& source_;
  const std::string path_;
  const I2SDialect dialect_;
  mutable std::once_flag once_;
  mutable std::string id_;
};

}  // namespace

ModelFile::ModelFile() = default;
ModelFile::~ModelFile() = default;

absl::StatusOr<std::unique_ptr<ModelFile>> ModelFile::Open(const std::string& path,
                                                           const ModelFileOptions& options) {
  std::unique_ptr<ModelFile> file(new ModelFile);
  file->path_ = path;
  std::error_code ignored;
  const bool is_directory = std::filesystem::is_directory(path, ignored);
  TERN_RETURN_IF_ERROR(is_directory ? file->OpenDirectory() : file->OpenGguf(options));
  file->layers_.push_back(
      std::make_unique<IdentifiedSource>(*file->tensors_, path, options.dialect));
  file->tensors_ = file->layers_.back().get();
  TERN_RETURN_IF_ERROR(LimitContext(options.context, file->config_));
  return file;
}

absl::Status ModelFile::OpenGguf(const ModelFileOptions& options) {
  TERN_ASSIGN_OR_RETURN(gguf_, GgufFile::Open(path_));
  tensors_ = gguf_.get();
  const auto put_on_top = [this](std::unique_ptr<TensorSource> source) {
    tensors_ = layers_.emplace_back(std::move(source)).get();
  };
  if (options.dialect != I2SDialect::kCanonical) {
    put_on_top(std::make_unique<DialectSource>(*tensors_, options.dialect));
    notes_.push_back("I2_S tensors are read in another dialect, as told: nothing can check it");
  }
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
// so; BitNet's own architectures and its embedding models are trained to be rounded, others are
// not.
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
  const bool online = (architecture.ok() && absl::StartsWith(*architecture, "bitnet")) ||
                      gguf_->Find("blk.0.attn_q_norm_in.weight").ok();
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

absl::StatusOr<std::unique_ptr<Tokenizer>> ModelFile::MakeTokenizer(
    const Vocabulary& vocabulary) const {
  TERN_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer, Tokenizer::Create(vocabulary));
  if (tokenizer->vocab() <= config_.vocab) return tokenizer;
  return absl::DataLossError(absl::StrCat(path_, ": found ", tokenizer->vocab(),
                                          " tokens, want at most ", config_.vocab,
                                          ", the rows of the embedding"));
}

// A directory's are read each time.
void ModelFile::ForgetVocabulary() {
  if (gguf_ != nullptr) gguf_->Forget("tokenizer.");
}

}  // namespace tern
