// SPDX-License-Identifier: MIT
#include "model/embedder.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace tern {
namespace {

constexpr size_t kChunkRows = 64;

}  // namespace

void NormaliseVector(std::span<float> x) {
  double power = 0;
  for (const float value : x) power += static_cast<double>(value) * value;
  if (power == 0) return;
  const auto length = static_cast<float>(std::sqrt(power));
  for (float& value : x) value /= length;
}

absl::StatusOr<std::vector<float>> EmbedTokens(Transformer& model, std::span<const TokenId> tokens,
                                               KvType kv_type) {
  const ModelConfig& config = model.config();
  TERN_CHECK(model.range() == (LayerRange{0, config.layers}));
  if (tokens.empty() || tokens.size() > config.context) {
    return absl::InvalidArgumentError(
        absl::StrCat("tokens: found ", tokens.size(), ", want 1 to ", config.context));
  }
  for (const TokenId id : tokens) {
    if (id >= 0 && static_cast<uint32_t>(id) < config.vocab) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("token: found ", id, ", want 0 to ", config.vocab - 1));
  }
  TERN_ASSIGN_OR_RETURN(KvCache cache,
                        KvCache::Create(config, config.layers, KvPagesFor(tokens.size()), kv_type));
  cache.AppendAll(0);
  std::vector<float> hidden(std::min(kChunkRows, tokens.size()) * config.dim), out(config.dim);
  size_t rows = 0;
  for (size_t begin = 0; begin < tokens.size(); begin += rows) {
    rows = std::min(kChunkRows, tokens.size() - begin);
    model.Embed(tokens.subspan(begin, rows), hidden.data());
    const SequenceRows batch = {0, static_cast<uint32_t>(begin), static_cast<uint32_t>(rows)};
    TERN_RETURN_IF_ERROR(model.Forward({&batch, 1}, cache, hidden.data()));
  }
  model.OutputNorm({hidden.data() + (rows - 1) * config.dim, config.dim}, out.data());
  NormaliseVector(out);
  return out;
}

}  // namespace tern
