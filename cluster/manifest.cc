// SPDX-License-Identifier: MIT
#include "cluster/manifest.h"

#include <bit>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/status_macros.h"

namespace tern {
namespace {

std::string Describe(const TensorInfo& info) {
  return absl::StrCat(TensorTypeName(info.type), " [", absl::StrJoin(info.shape, ", "), "]");
}

std::span<const uint8_t> AsBytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace

bool SameTensor(const TensorInfo& a, const TensorInfo& b) {
  return a.name == b.name && a.type == b.type && a.shape == b.shape && a.bytes == b.bytes;
}

std::vector<TensorInfo> StageTensorInfos(const ModelConfig& config, LayerRange layers) {
  const bool has_head = layers.end == config.layers;
  std::vector<TensorInfo> infos;
  if (layers.begin == 0 || has_head) infos.push_back(EmbeddingTensor(config));
  for (uint32_t layer = layers.begin; layer < layers.end; ++layer) {
    for (TensorInfo& info : LayerTensors(config, layer)) infos.push_back(std::move(info));
  }
  if (has_head) infos.push_back(OutputNormTensor(config));
  return infos;
}

absl::StatusOr<ModelManifest> BuildManifest(const ModelConfig& config, const TensorSource& source,
                                            const std::function<void(float)>& progress) {
  ModelManifest manifest{.config = config, .tensors = {}, .digest = ""};
  uint64_t total_bytes = 0;
  std::vector<TensorInfo> infos = StageTensorInfos(config, {0, config.layers});
  for (const TensorInfo& info : infos) total_bytes += info.bytes;
  uint64_t done_bytes = 0;
  for (TensorInfo& info : infos) {
    TERN_ASSIGN_OR_RETURN(const TensorView view, source.Find(info.name));
    if (!SameTensor(view.info, info)) {
      return absl::DataLossError(absl::StrCat("tensor ", info.name, ": found ", Describe(view.info),
                                              ", want ", Describe(info)));
    }
    done_bytes += info.bytes;
    manifest.tensors.push_back({.info = std::move(info), .sha256 = Sha256Hex(view.data)});
    if (progress) progress(static_cast<float>(done_bytes) / static_cast<float>(total_bytes));
  }
  manifest.digest = ManifestDigest(config, manifest.tensors);
  return manifest;
}

std::string ManifestDigest(const ModelConfig& config, const std::vector<TensorRef>& tensors) {
  // Floats by their bits: no digit is lost, and every machine writes them alike.
  std::string text =
      absl::StrCat("tern-manifest 1\narchitecture ", config.architecture, "\nname ", config.name,
                   "\nvocab ", config.vocab, "\ndim ", config.dim, "\nffn_dim ", config.ffn_dim,
                   "\nlayers ", config.layers, "\nheads ", config.heads, "\nkv_heads ",
                   config.kv_heads, "\nhead_dim ", config.head_dim, "\ncontext ", config.context);
  absl::StrAppend(&text, "\nrope_theta ", absl::Hex(std::bit_cast<uint32_t>(config.rope_theta)),
                  "\nnorm_eps ", absl::Hex(std::bit_cast<uint32_t>(config.norm_eps)), "\n");
  for (const TensorRef& tensor : tensors) {
    absl::StrAppend(&text, tensor.info.name, " ", tensor.sha256, "\n");
  }
  return Sha256Hex(AsBytes(text));
}

std::vector<TensorRef> StageTensors(const ModelManifest& manifest, LayerRange layers) {
  absl::flat_hash_map<std::string, const TensorRef*> by_name;
  for (const TensorRef& tensor : manifest.tensors) by_name[tensor.info.name] = &tensor;
  std::vector<TensorRef> tensors;
  for (const TensorInfo& info : StageTensorInfos(manifest.config, layers)) {
    const auto found = by_name.find(info.name);
    TERN_CHECK(found != by_name.end());  // a manifest has every tensor of its config
    tensors.push_back(*found->second);
  }
  return tensors;
}

}  // namespace tern
