// SPDX-License-Identifier: MIT
// A model as its user has it, whatever the kind of file: its shape, its weights under GGUF's names,
// all of them ternary where Tern wants them so, and its vocabulary.
#ifndef TERN_MODEL_MODEL_FILE_H_
#define TERN_MODEL_MODEL_FILE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "formats/gguf.h"
#include "formats/tensor.h"
#include "formats/ternary.h"
#include "model/config.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace tern {

class HfModel;

struct ModelFileOptions {
  I2SDialect dialect = I2SDialect::kCanonical;  // that I2_S tensors of a GGUF file are read in
  uint32_t context = 0;  // most tokens of a sequence, less than the model allows; 0: what it does
};

// Immutable but for ForgetVocabulary, thread-safe.
class ModelFile {
 public:
  // Opens a GGUF file or a Hugging Face directory and checks that this build can run it. Weights
  // are not read yet, but for a few that tell what kind they are. NOT_FOUND if there is nothing at
  // `path`, DATA_LOSS if it is damaged, FAILED_PRECONDITION if it is sound and cannot be run: the
  // message says why and what to do. INVALID_ARGUMENT for a context that the model does not allow.
  static absl::StatusOr<std::unique_ptr<ModelFile>> Open(const std::string& path,
                                                         const ModelFileOptions& options = {});

  ~ModelFile();

  const std::string& path() const { return path_; }
  const ModelConfig& config() const { return config_; }
  // The tensors that StageTensorSpecs names (model/weights.h).
  const TensorSource& tensors() const { return *tensors_; }
  // The tokenizer's tables. NOT_FOUND if the model comes without any.
  absl::StatusOr<Vocabulary> ReadVocabulary() const;
  // Of its vocabulary. DATA_LOSS if it has more tokens than the embedding has rows; errors of
  // Tokenizer::Create.
  absl::StatusOr<std::unique_ptr<Tokenizer>> MakeTokenizer(const Vocabulary& vocabulary) const;
  // Frees the memory that the tokenizer's tables take, for who needs them no more: ReadVocabulary
  // is not to be called from now on. REQUIRES that no other thread uses the object meanwhile.
  void ForgetVocabulary();
  // What a user should be told: guesses made, weights converted while loading.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  ModelFile();
  absl::Status OpenGguf(const ModelFileOptions& options);
  absl::Status AddTernarising();
  absl::Status OpenDirectory();

  std::string path_;
  ModelConfig config_;
  std::vector<std::string> notes_;
  std::unique_ptr<GgufFile> gguf_;  // or
  std::unique_ptr<HfModel> hf_;
  std::vector<std::unique_ptr<TensorSource>> layers_;  // over the file, each over the one before
  const TensorSource* tensors_ = nullptr;
};

}  // namespace tern

#endif  // TERN_MODEL_MODEL_FILE_H_
