// SPDX-License-Identifier: MIT
// What `tern inspect` does with each kind of model.
#ifndef TERN_TOOLS_INSPECT_H_
#define TERN_TOOLS_INSPECT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/model_file.h"

namespace tern {

// Whether this build can run it: the model's shape and the notes on it, or why not.
std::string RunSummary(const absl::StatusOr<std::unique_ptr<ModelFile>>& model);

// Prints what a Hugging Face directory holds. Errors of SafetensorsSet.
absl::Status InspectDirectory(const std::string& path, bool json);

}  // namespace tern

#endif  // TERN_TOOLS_INSPECT_H_
