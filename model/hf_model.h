// SPDX-License-Identifier: MIT
// A Hugging Face directory as a source of tensors under GGUF's names, ternary where Tern wants them
// so (docs/formats.md, Hugging Face directories).
#ifndef TERN_MODEL_HF_MODEL_H_
#define TERN_MODEL_HF_MODEL_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "formats/safetensors.h"
#include "formats/tensor.h"
#include "model/hf_config.h"

namespace tern {

// Immutable, thread-safe.
class HfModel final : public TensorSource {
 public:
  // Reads config.json and the headers of the safetensors files, and as many weights as tell what
  // kind they are. NOT_FOUND if there is no config.json or no safetensors file, DATA_LOSS for
  // damage, FAILED_PRECONDITION for what this build does not run: the message says why.
  static absl::StatusOr<std::unique_ptr<HfModel>> Open(const std::string& directory);

  const ModelConfig& config() const { return config_.model; }
  const std::vector<std::string>& notes() const { return notes_; }

  // Packed uint8 matrices and dense ones come as ternary types, norms as F32, in memory of their
  // own; the embedding and the head as stored, unless they are ternary. DATA_LOSS for damage,
  // FAILED_PRECONDITION for a dense matrix that is neither ternary nor to be made so.
  absl::StatusOr<TensorView> Find(absl::string_view name) const override;

 private:
  HfModel() = default;
  absl::Status ReadKinds();
  absl::StatusOr<TensorType> TableType(const TensorSpec& table) const;
  absl::StatusOr<const Safetensor*> Stored(const std::string& gguf_name) const;
  absl::StatusOr<TensorView> Dense(const TensorSpec& want, const Safetensor& stored) const;
  absl::StatusOr<TensorView> Packed(const TensorSpec& want, const Safetensor& stored) const;
  absl::StatusOr<TensorView> Matrix(const TensorSpec& want, const Safetensor& stored) const;
  absl::StatusOr<TensorView> Norm(const TensorSpec& want, const Safetensor& stored) const;

  std::string directory_;
  std::unique_ptr<SafetensorsSet> files_;
  HfConfig config_;
  std::string prefix_;  // "model." or nothing
  absl::flat_hash_map<std::string, TensorSpec> wanted_;
  std::vector<std::string> notes_;
};

}  // namespace tern

#endif  // TERN_MODEL_HF_MODEL_H_
