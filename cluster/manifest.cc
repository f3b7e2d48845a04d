// SPDX-License-Identifier: MIT
#include "cluster/manifest.h"

#include <bit>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/bytes.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "model/weights.h"

namespace tern {
namespace {

// Everything that the forward pass reads, floats by their bits: no digit is lost, and every machine
// writes them alike.
std::string ConfigText(const ModelConfig& c) {
  const auto bits = [](float x) { return absl::Hex(std::bit_cast<uint32_t>(x)); };
  std::string text = absl::StrCat(
      "tern-manifest 2\narchitecture ", c.architecture, "\nname ", c.name, "\nvocab ", c.vocab,
      "\ndim ", c.dim, "\nffn_dim ", c.ffn_dim, "\nlayers ", c.layers, "\nheads ", c.heads,
      "\nkv_heads ", c.kv_heads, "\nhead_dim ", c.head_dim, "\ncontext ", c.context);
  absl::StrAppend(&text, "\nrope_theta ", bits(c.rope_theta), "\nnorm_eps ", bits(c.norm_eps),
                  "\nactivation ", static_cast<int>(c.activation), "\nactivation_bits ",
                  static_cast<int>(c.activation_bits), "\ngroup_cols ", c.group_cols, "\nnorms ",
                  c.sub_norms, c.projection_norms, c.qk_norms, c.post_norms, "\nhead ", c.has_head,
                  c.tied_head, "\ninterleaved_rope ", c.interleaved_rope);
  absl::StrAppend(&text, "\nembedding_type ", static_cast<uint32_t>(c.embedding_type),
                  "\nhead_type ", static_cast<uint32_t>(c.head_type), "\nembedding_scale ",
                  bits(c.embedding_scale), "\nattention_scale ", bits(c.attention_scale));
  absl::StrAppend(&text, "\nsliding_window ", c.sliding_window, " ", c.sliding_pattern, " ",
                  bits(c.local_rope_theta), "\nrope_scaling ", static_cast<int>(c.rope_scaling),
                  " ", bits(c.rope_factor), " ", c.rope_original_context);
  absl::StrAppend(&text, "\nrotation ", c.rotation.block_cols, " ", c.rotation.embedding, " ",
                  absl::StrJoin(c.rotation.weights, ","), "\n");
  for (const auto& [width, signs] : c.rotation.signs) {
    absl::StrAppend(&text, "signs ", width, " ");
    for (const int8_t sign : signs) text.push_back(sign < 0 ? '-' : '+');
    text.push_back('\n');
  }
  return text;
}

}  // namespace

bool SameTensor(const TensorInfo& a, const TensorInfo& b) {
  return a.name == b.name && a.type == b.type && a.shape == b.shape && a.bytes == b.bytes;
}

absl::StatusOr<ModelManifest> BuildManifest(const ModelConfig& config, const TensorSource& source,
                                            const std::function<void(float)>& progress,
                                            const TensorDigests& digests, ThreadPool* pool) {
  ModelManifest manifest{.config = config, .tensors = {}, .digest = ""};
  std::vector<TensorInfo> infos;
  uint64_t all_bytes = 0;
  for (const TensorSpec& spec : StageTensorSpecs(config, {0, config.layers})) {
    TERN_ASSIGN_OR_RETURN(const TensorView view, source.Find(spec.name));
    TERN_RETURN_IF_ERROR(CheckTensor(config, spec, view.info));
    manifest.tensors.push_back({.info = view.info, .sha256 = ""});
    infos.push_back(view.info);
    all_bytes += view.data.size();
  }
  const auto report = [&](uint64_t bytes) {
    if (progress) progress(static_cast<float>(bytes) / static_cast<float>(all_bytes));
    return absl::OkStatus();
  };
  TERN_ASSIGN_OR_RETURN(const std::vector<std::string> hashed,
                        digests.Of(source, infos, pool, report));
  for (size_t i = 0; i < hashed.size(); ++i) manifest.tensors[i].sha256 = hashed[i];
  manifest.digest = ManifestDigest(config, manifest.tensors);
  return manifest;
}

std::string ManifestDigest(const ModelConfig& config, const std::vector<TensorRef>& tensors) {
  std::string text = ConfigText(config);
  for (const TensorRef& tensor : tensors) {
    absl::StrAppend(&text, tensor.info.name, " ", tensor.sha256, "\n");
  }
  return Sha256Hex(AsBytes(text));
}

std::vector<TensorRef> StageTensors(const ModelManifest& manifest, LayerRange layers) {
  absl::flat_hash_map<std::string, const TensorRef*> by_name;
  for (const TensorRef& tensor : manifest.tensors) by_name[tensor.info.name] = &tensor;
  std::vector<TensorRef> tensors;
  for (const TensorSpec& spec : StageTensorSpecs(manifest.config, layers)) {
    const auto found = by_name.find(spec.name);
    TERN_CHECK(found != by_name.end());  // a manifest has every tensor of its config
    tensors.push_back(*found->second);
  }
  return tensors;
}

}  // namespace tern
