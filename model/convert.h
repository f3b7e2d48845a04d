// SPDX-License-Identifier: MIT
// Writes a model, of whatever kind its files are, as a GGUF file.
#ifndef TERN_MODEL_CONVERT_H_
#define TERN_MODEL_CONVERT_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "formats/tensor.h"
#include "model/model_file.h"

namespace tern {

struct ConvertOptions {
  // Of the ternary matrices; unset: I2_S, or as they are where groups of columns have scales of
  // their own.
  std::optional<TensorType> type;
  // Of the head, which is the embedding where the two are tied; unset: as it is.
  std::optional<TensorType> head;
  // Called with the share done, in [0, 1], now and then.
  std::function<void(float)> progress;
};

// Streams tensor by tensor, holding about the largest one; rows of a Hugging Face model of
// architecture `llama` are put into the order that GGUF files have them in. The file is written
// under another name, read back and compared, and only then gets its own. Returns notes for the
// user: what is not as it was. INVALID_ARGUMENT for a type that cannot hold the weights (the
// message says which tensor and why), errors of the source and of GgufWriter, DATA_LOSS if what is
// read back is not what was written; after an error there is no file.
absl::StatusOr<std::vector<std::string>> ConvertModel(const ModelFile& model,
                                                      const std::string& path,
                                                      const ConvertOptions& options);

}  // namespace tern

#endif  // TERN_MODEL_CONVERT_H_
