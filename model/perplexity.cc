// SPDX-License-Identifier: MIT
#include "model/perplexity.h"

#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/exact_math.h"
#include "model/scoring.h"

namespace tern {
namespace {

// Mean and spread of numbers that come one by one.
class Tally {
 public:
  void Add(double x) {
    sum_ += x;
    squares_ += x * x;
    ++count_;
  }

  Perplexity Result() const {
    const double count = static_cast<double>(count_);
    Perplexity result;
    result.tokens = count_;
    result.mean_negative_log_likelihood = sum_ / count;
    result.perplexity = ExactExp(result.mean_negative_log_likelihood);
    const double variance = squares_ / count - result.mean_negative_log_likelihood *
                                                   result.mean_negative_log_likelihood;
    if (count_ > 1 && variance > 0) {
      result.error = std::sqrt(variance / (count - 1)) * result.perplexity;
    }
    return result;
  }

 private:
  double sum_ = 0, squares_ = 0;
  uint64_t count_ = 0;
};

// Tokens of a sequence, and how many of its last ones count.
struct Piece {
  std::vector<TokenId> tokens;
  size_t counted = 0;
};

absl::Status CheckOptions(std::span<const TokenId> tokens, const PerplexityOptions& options) {
  if (options.context < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("context: found ", options.context, ", want at least 2"));
  }
  if (options.stride >= options.context || (options.stride > 0 && options.every_token)) {
    return absl::InvalidArgumentError(
        absl::StrCat("stride: found ", options.stride, ", want less than the context, ",
                     options.context, ", and none where every token counts"));
  }
  const size_t least = options.every_token ? 1 : options.context;
  if (tokens.size() >= least) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("tokens: found ", tokens.size(), ", want at least ", least));
}

std::vector<Piece> Cut(std::span<const TokenId> tokens, std::optional<TokenId> bos,
                       const PerplexityOptions& options) {
  std::vector<Piece> pieces;
  const size_t context = options.context;
  const auto add = [&](std::span<const TokenId> part, size_t counted) {
    pieces.push_back({{part.begin(), part.end()}, counted});
  };
  if (options.every_token) {
    const size_t step = bos ? context - 1 : context;
    for (size_t begin = 0; begin < tokens.size(); begin += step) {
      const auto part = tokens.subspan(begin, std::min(step, tokens.size() - begin));
      add(part, bos ? part.size() : part.size() - 1);
      if (bos) pieces.back().tokens.insert(pieces.back().tokens.begin(), *bos);
    }
    return pieces;
  }
  const size_t step = options.stride > 0 ? options.stride : context;
  const size_t counted = options.stride > 0 ? options.stride : context - context / 2 - 1;
  for (size_t begin = 0; begin + context <= tokens.size(); begin += step) {
    add(tokens.subspan(begin, context), counted);
    if (bos) pieces.back().tokens[0] = *bos;
  }
  return pieces;
}

}  // namespace

absl::StatusOr<Perplexity> MeasurePerplexity(Transformer& model, std::span<const TokenId> tokens,
                                             std::optional<TokenId> bos,
                                             const PerplexityOptions& options,
                                             const std::function<void(float)>& progress) {
  TERN_RETURN_IF_ERROR(CheckOptions(tokens, options));
  TERN_ASSIGN_OR_RETURN(SequenceScorer scorer,
                        SequenceScorer::Create(model, options.context, options.kv_type));
  const std::vector<Piece> pieces = Cut(tokens, bos, options);
  Tally tally;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const std::vector<TokenId>& sequence = pieces[i].tokens;
    // The logits before the first token that counts; those after the last are not needed.
    const size_t first = sequence.size() - pieces[i].counted - 1;
    TERN_RETURN_IF_ERROR(
        scorer.Run(sequence, first, [&](size_t position, std::span<const float> logits) {
          if (position + 1 == sequence.size()) return;
          tally.Add(-LogProbability(logits, sequence[position + 1]));
        }));
    if (progress) progress(static_cast<float>(i + 1) / static_cast<float>(pieces.size()));
  }
  return tally.Result();
}

}  // namespace tern
