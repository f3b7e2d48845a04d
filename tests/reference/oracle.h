// SPDX-License-Identifier: MIT
// BitNet b1.58 computed the plainest way, to hold the fast one against: doubles, loops, one trit a
// byte, no cache, no threads, nothing shared with model/ but the names and shapes of tensors.
#ifndef TERN_TESTS_REFERENCE_ORACLE_H_
#define TERN_TESTS_REFERENCE_ORACLE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "formats/tensor.h"
#include "model/config.h"

namespace tern {

using Row = std::vector<double>;
using Rows = std::vector<Row>;

struct OracleResult {
  Rows logits;  // [tokens, vocab]
  // The least distance of any activation to the middle between two int8 codes, in codes. Where it
  // is small, a rounding error may tip the code, and logits of another engine differ visibly.
  double tie_margin = 0.5;
};

class Oracle {
 public:
  // Unpacks all weights. Errors of the source; DATA_LOSS for a damaged matrix.
  static absl::StatusOr<Oracle> Create(const ModelConfig& config, const TensorSource& source);

  // The logits after each token of a sequence. REQUIRES tokens of the vocabulary.
  OracleResult Run(std::span<const int32_t> tokens) const;

 private:
  struct Matrix {
    Rows trits;  // [rows, cols]
    double scale = 0;
  };
  struct Layer {
    Row attn_norm, attn_sub_norm, ffn_norm, ffn_sub_norm;
    Matrix attn_q, attn_k, attn_v, attn_output, ffn_gate, ffn_up, ffn_down;
  };

  static absl::StatusOr<Row> ReadNorm(const TensorSource& source, const std::string& name);
  static absl::StatusOr<Matrix> ReadMatrix(const TensorSource& source, const std::string& name);
  static absl::StatusOr<Rows> ReadEmbedding(const TensorSource& source);
  static absl::StatusOr<Layer> ReadLayer(const TensorSource& source, uint32_t layer);

  Row Norm(const Row& x, const Row& weight) const;
  static Row Linear(const Matrix& matrix, const Row& x, double& tie_margin);
  void Rotate(size_t position, Row& x) const;
  Row Attention(const Row& query, std::span<const Row> keys, std::span<const Row> values) const;
  void RunLayer(const Layer& layer, Rows& h, double& tie_margin) const;

  ModelConfig config_;
  Rows embedding_;  // [vocab, dim]
  std::vector<Layer> layers_;
  Row output_norm_;
};

}  // namespace tern

#endif  // TERN_TESTS_REFERENCE_ORACLE_H_
