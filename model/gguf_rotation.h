// SPDX-License-Identifier: MIT
// The declaration of rotated weights in a GGUF file: prism.hadamard.* (docs/formats.md).
#ifndef TERN_MODEL_GGUF_ROTATION_H_
#define TERN_MODEL_GGUF_ROTATION_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "formats/gguf.h"
#include "model/rotation.h"

namespace tern {

// None if the file declares none. FAILED_PRECONDITION for a version, transform, axis, sign mode or
// key that this build does not know: weights multiplied without the right rotation give fluent
// nonsense. DATA_LOSS for keys that do not fit together.
absl::StatusOr<Rotation> ReadRotation(const GgufFile& file);

// Appends the keys from which ReadRotation makes an equal rotation; none if there is none.
void AppendRotation(const Rotation& rotation,
                    std::vector<std::pair<std::string, GgufValue>>& metadata);

}  // namespace tern

#endif  // TERN_MODEL_GGUF_ROTATION_H_
