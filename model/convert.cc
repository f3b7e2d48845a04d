// SPDX-License-Identifier: MIT
#include "model/convert.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "formats/dense.h"
#include "formats/f16.h"
#include "formats/gguf_writer.h"
#include "formats/ternary.h"
#include "kernels/i2s.h"
#include "model/gguf_config.h"
#include "model/weights.h"

namespace tern {
namespace {

// Rows converted at once: so many of any width are whole blocks of any type.
constexpr uint64_t kRows = 128;

// general.file_type, as bitnet.cpp and llama.cpp number them.
uint64_t FileType(TensorType type) {
  switch (type) {
    case TensorType::kTQ1_0:
      return 36;
    case TensorType::kTQ2_0:
      return 37;
    case TensorType::kI2S:
      return 40;
    default:
      return 1024;  // "guessed": programs look at the tensors
  }
}

// Where the row that GGUF's order for pairs (2j, 2j + 1) wants comes from.
uint64_t HalfSplitRow(uint64_t row, uint64_t head_dim) {
  const uint64_t j = row % head_dim;
  return row - j + j / 2 + (j % 2) * (head_dim / 2);
}

class Converter {
 public:
  Converter(const ModelFile& model, const ConvertOptions& options)
      : model_(model), options_(options), config_(model.config()) {
    interleave_ = config_.architecture == "llama" && !config_.interleaved_rope;
    if (interleave_) config_.interleaved_rope = true;
  }

  absl::Status Write(const std::string& path);
  absl::Status Verify(const std::string& path) const;
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  absl::StatusOr<TensorInfo> Target(const TensorSpec& spec) const;
  absl::StatusOr<TensorType> TargetType(const TensorSpec& spec) const;
  absl::Status CopyTensor(const TensorSpec& spec, const TensorInfo& target);
  bool Moves(const TensorSpec& spec) const;
  absl::Status CopyDense(const TensorView& from, const TensorInfo& target);
  absl::Status CopyTernary(const TensorView& from, const TensorInfo& target);
  absl::Status ReadDenseRow(const TensorView& from, uint64_t row, TensorType target);
  uint64_t SourceRow(uint64_t row) const {
    return moves_ ? HalfSplitRow(row, config_.head_dim) : row;
  }
  absl::Status FitScales(const TensorView& from, const TensorInfo& target, uint64_t rows);
  absl::Status Append(std::span<const uint8_t> bytes);

  const ModelFile& model_;
  const ConvertOptions& options_;
  ModelConfig config_;       // of the file that is written
  bool interleave_ = false;  // rows of q and k
  bool moves_ = false;       // so in the current tensor
  std::unique_ptr<GgufWriter> writer_;
  std::vector<TensorInfo> targets_;
  std::vector<std::string> digests_;  // of the targets' bytes
  std::unique_ptr<Sha256> hash_;      // of the current one
  bool rounds_scales_ = false;
  std::vector<std::string> notes_;

  // Scratch of the copies.
  std::vector<float> floats_;
  std::vector<int8_t> trits_;
  std::vector<float> stored_scales_, scales_;
  std::vector<uint8_t> packed_;
};

absl::StatusOr<TensorType> Converter::TargetType(const TensorSpec& spec) const {
  const bool is_head =
      spec.role == TensorRole::kHead || (spec.role == TensorRole::kEmbedding && config_.tied_head);
  if (spec.role == TensorRole::kNorm) return TensorType::kF32;
  if (spec.role == TensorRole::kMatrix) {
    if (options_.type) return *options_.type;
    if (config_.group_cols == 0) return TensorType::kI2S;
  }
  if (is_head && options_.head) return *options_.head;
  // Only these are looked at before they are copied: to find a matrix may mean to make it.
  TERN_ASSIGN_OR_RETURN(const TensorView stored, model_.tensors().Find(spec.name));
  return stored.info.type;
}

absl::StatusOr<TensorInfo> Converter::Target(const TensorSpec& spec) const {
  TERN_ASSIGN_OR_RETURN(const TensorType type, TargetType(spec));
  TensorInfo target{spec.name, type, spec.shape, 0};
  const absl::StatusOr<uint64_t> bytes = TensorBytes(type, spec.shape);
  if (!bytes.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", spec.name, ": ", bytes.status().message()));
  }
  target.bytes = *bytes;
  return target;
}

absl::Status Converter::Write(const std::string& path) {
  const std::vector<TensorSpec> specs = StageTensorSpecs(config_, {0, config_.layers});
  for (const TensorSpec& spec : specs) {
    TERN_ASSIGN_OR_RETURN(TensorInfo target, Target(spec));
    if (spec.role == TensorRole::kEmbedding) config_.embedding_type = target.type;
    if (spec.role == TensorRole::kHead) config_.head_type = target.type;
    targets_.push_back(std::move(target));
  }
  if (config_.tied_head) config_.head_type = config_.embedding_type;
  std::vector<std::pair<std::string, GgufValue>> metadata;
  AppendModelConfig(config_, metadata);
  const auto matrix = std::find_if(targets_.begin(), targets_.end(), [](const TensorInfo& t) {
    return absl::EndsWith(t.name, ".attn_q.weight");
  });
  metadata.emplace_back("general.file_type", GgufValue{FileType(matrix->type)});
  metadata.emplace_back("general.quantization_version", GgufValue{uint64_t{2}});
  const absl::StatusOr<Vocabulary> vocabulary = model_.ReadVocabulary();
  if (vocabulary.ok()) {
    AppendVocabulary(*vocabulary, metadata);
  } else if (absl::IsNotFound(vocabulary.status())) {
    notes_.push_back(absl::StrCat("written without a tokenizer: ", vocabulary.status().message()));
  } else {
    return vocabulary.status();
  }
  TERN_ASSIGN_OR_RETURN(writer_, GgufWriter::Create(path, metadata, targets_));
  for (size_t i = 0; i < specs.size(); ++i) {
    hash_ = std::make_unique<Sha256>();
    TERN_RETURN_IF_ERROR(CopyTensor(specs[i], targets_[i]));
    digests_.push_back(hash_->Finish());
  }
  if (rounds_scales_) {
    notes_.push_back(
        absl::StrCat("scales were rounded to those that ", TensorTypeName(matrix->type), " holds"));
  }
  return writer_->Finish();
}

absl::Status Converter::Append(std::span<const uint8_t> bytes) {
  hash_->Update(bytes);
  TERN_RETURN_IF_ERROR(writer_->Append(bytes));
  if (options_.progress) {
    options_.progress(static_cast<float>(static_cast<double>(writer_->written_bytes()) /
                                         static_cast<double>(writer_->total_bytes())));
  }
  return absl::OkStatus();
}

bool Converter::Moves(const TensorSpec& spec) const {
  return interleave_ && (absl::EndsWith(spec.name, ".attn_q.weight") ||
                         absl::EndsWith(spec.name, ".attn_k.weight"));
}

absl::Status Converter::CopyTensor(const TensorSpec& spec, const TensorInfo& target) {
  TERN_ASSIGN_OR_RETURN(const TensorView from, model_.tensors().Find(spec.name));
  moves_ = Moves(spec);
  if (from.info.type == target.type && !moves_) return Append(from.data);
  if (IsTernary(target.type)) {
    if (IsTernary(from.info.type)) return CopyTernary(from, target);
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", spec.name, ": found ", TensorTypeName(from.info.type),
                     ", which cannot become ", TensorTypeName(target.type)));
  }
  return CopyDense(from, target);
}

absl::Status Converter::CopyDense(const TensorView& from, const TensorInfo& target) {
  packed_.resize(DenseRowBytes(target.type, from.info.cols()));
  for (uint64_t row = 0; row < from.info.rows(); ++row) {
    TERN_RETURN_IF_ERROR(ReadDenseRow(from, SourceRow(row), target.type));
    EncodeDense(target.type, floats_.data(), floats_.size(), packed_.data());
    TERN_RETURN_IF_ERROR(Append(packed_));
  }
  return absl::OkStatus();
}

// Into floats_; takes note of scales that the target does not hold.
absl::Status Converter::ReadDenseRow(const TensorView& from, uint64_t row, TensorType target) {
  const uint64_t cols = from.info.cols();
  floats_.resize(cols);
  if (!IsTernary(from.info.type)) {
    const uint64_t row_bytes = DenseRowBytes(from.info.type, cols);
    DecodeDense(from.info.type, from.data.data() + row * row_bytes, cols, floats_.data());
    return absl::OkStatus();
  }
  const uint64_t scale_cols = ScaleCols(from.info.type, cols);
  trits_.resize(cols);
  scales_.resize(cols / scale_cols);
  TERN_RETURN_IF_ERROR(UnpackTernary(from, row, row + 1, {trits_.data(), scales_.data()}));
  for (const float scale : scales_) {
    const bool rounds = (target == TensorType::kF16 && F16ToFloat(FloatToF16(scale)) != scale) ||
                        (target == TensorType::kBF16 && Bf16ToFloat(FloatToBf16(scale)) != scale);
    rounds_scales_ = rounds_scales_ || rounds;
  }
  for (uint64_t col = 0; col < cols; ++col) {
    floats_[col] = static_cast<float>(trits_[col]) * scales_[col / scale_cols];
  }
  return absl::OkStatus();
}

// scales_ = stored_scales_ with the target's groups; a group without weights has any scale.
absl::Status Converter::FitScales(const TensorView& from, const TensorInfo& target, uint64_t rows) {
  const uint64_t cols = from.info.cols();
  const uint64_t from_cols = ScaleCols(from.info.type, cols),
                 to_cols = ScaleCols(target.type, cols);
  scales_.assign(rows * (cols / to_cols), 0);
  for (uint64_t row = 0; row < rows; ++row) {
    for (uint64_t col = 0; col < cols; col += std::min(from_cols, to_cols)) {
      const uint64_t end = col + std::min(from_cols, to_cols);
      const int8_t* trits = trits_.data() + row * cols;
      if (std::all_of(trits + col, trits + end, [](int8_t trit) { return trit == 0; })) continue;
      const float scale = stored_scales_[row * (cols / from_cols) + col / from_cols];
      float& to = scales_[row * (cols / to_cols) + col / to_cols];
      if (to != 0 && to != scale) {
        return absl::InvalidArgumentError(
            absl::StrCat("tensor ", target.name, ": found scales ", to, " and ", scale, " within ",
                         to_cols, " columns, where ", TensorTypeName(target.type), " has one"));
      }
      to = scale;
    }
  }
  return absl::OkStatus();
}

absl::Status Converter::CopyTernary(const TensorView& from, const TensorInfo& target) {
  const uint64_t cols = from.info.cols(), all_rows = from.info.rows();
  const uint64_t stored_groups = cols / ScaleCols(from.info.type, cols);
  const bool is_i2s = target.type == TensorType::kI2S;
  trits_.resize(kRows * cols);
  stored_scales_.resize(kRows * stored_groups);
  float i2s_scale = 0;
  for (uint64_t begin = 0; begin < all_rows; begin += kRows) {
    const uint64_t rows = std::min(kRows, all_rows - begin);
    for (uint64_t i = 0; i < rows; ++i) {
      const uint64_t row = SourceRow(begin + i);
      TERN_RETURN_IF_ERROR(
          UnpackTernary(from, row, row + 1,
                        {trits_.data() + i * cols, stored_scales_.data() + i * stored_groups}));
    }
    TERN_RETURN_IF_ERROR(FitScales(from, target, rows));
    for (float& scale : scales_) {
      if (is_i2s) {  // one for the tensor; rows of zeros go with it
        if (scale != 0 && i2s_scale != 0 && scale != i2s_scale) {
          return absl::InvalidArgumentError(absl::StrCat("tensor ", target.name, ": found scales ",
                                                         i2s_scale, " and ", scale,
                                                         ", where I2_S has one"));
        }
        if (scale != 0) i2s_scale = scale;
      } else if (target.type != TensorType::kIQ2BN) {
        rounds_scales_ = rounds_scales_ || F16ToFloat(FloatToF16(scale)) != scale;
      }
    }
    if (is_i2s) {
      packed_.resize(rows * cols / 4);
      PackI2S({trits_.data(), static_cast<size_t>(rows * cols)}, packed_);
    } else {
      const uint64_t shape[] = {cols, rows};
      TERN_ASSIGN_OR_RETURN(const uint64_t bytes, TensorBytes(target.type, shape));
      packed_.resize(bytes);
      TERN_RETURN_IF_ERROR(
          PackTernary(target.type, rows, cols, trits_.data(), scales_.data(), packed_));
    }
    TERN_RETURN_IF_ERROR(Append(packed_));
  }
  if (!is_i2s) return absl::OkStatus();
  uint8_t tail[kI2STailBytes] = {};
  std::memcpy(tail, &i2s_scale, sizeof(i2s_scale));
  return Append(tail);
}

absl::Status Converter::Verify(const std::string& path) const {
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<GgufFile> file, GgufFile::Open(path));
  for (size_t i = 0; i < targets_.size(); ++i) {
    TERN_ASSIGN_OR_RETURN(const TensorView view, file->Find(targets_[i].name));
    if (view.info.type == targets_[i].type && Sha256Hex(view.data) == digests_[i]) continue;
    return absl::DataLossError(
        absl::StrCat(path, ": tensor ", targets_[i].name, ": read back is not what was written"));
  }
  return ModelFile::Open(path).status();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ConvertModel(const ModelFile& model,
                                                      const std::string& path,
                                                      const ConvertOptions& options) {
  const std::string unverified = absl::StrCat(path, ".", getpid(), ".unverified");
  Converter converter(model, options);
  absl::Status status = converter.Write(unverified);
  if (status.ok()) status = converter.Verify(unverified);
  if (status.ok() && std::rename(unverified.c_str(), path.c_str()) != 0) {
    status = absl::ErrnoToStatus(errno, absl::StrCat("rename to ", path));
  }
  if (!status.ok()) {
    unlink(unverified.c_str());
    return status;
  }
  return converter.notes();
}

}  // namespace tern
