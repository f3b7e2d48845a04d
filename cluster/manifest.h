// SPDX-License-Identifier: MIT
// Names a model by its content: the SHA-256 of every tensor, and one digest over all of it.
#ifndef TERN_CLUSTER_MANIFEST_H_
#define TERN_CLUSTER_MANIFEST_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/thread_pool.h"
#include "cluster/messages.h"
#include "formats/tensor.h"
#include "model/tensor_digests.h"
#include "model/transformer.h"

namespace tern {

// Finds the digest of every tensor of the model: as `digests` remembers it, else by hashing with
// the threads of `pool`, if there is one. `progress`, if set, is called with the share of what must
// be hashed that is done, in [0, 1]. Errors of the source; DATA_LOSS for a tensor that CheckTensor
// refuses.
absl::StatusOr<ModelManifest> BuildManifest(const ModelConfig& config, const TensorSource& source,
                                            const std::function<void(float)>& progress = {},
                                            const TensorDigests& digests = {},
                                            ThreadPool* pool = nullptr);

// SHA-256 over the fields of `config` and the tensors' names and digests (docs/protocol.md,
// Digests): the manifest's name.
std::string ManifestDigest(const ModelConfig& config, const std::vector<TensorRef>& tensors);

// The tensors of `manifest` that a stage of these layers needs, in the order of
// StageTensorSpecs (model/weights.h).
std::vector<TensorRef> StageTensors(const ModelManifest& manifest, LayerRange layers);

// Whether two descriptions of a tensor agree in name, type, shape and size.
bool SameTensor(const TensorInfo& a, const TensorInfo& b);

}  // namespace tern

#endif  // TERN_CLUSTER_MANIFEST_H_
