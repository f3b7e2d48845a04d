// SPDX-License-Identifier: MIT
#include "tests/reference/oracle.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace tern {
namespace {

float FloatAt(const TensorView& view, size_t byte) {
  float value;
  std::memcpy(&value, view.data.data() + byte, sizeof(value));
  return value;
}

// IEEE 754 binary16.
double HalfAt(const TensorView& view, size_t byte) {
  const int bits = view.data[byte] | view.data[byte + 1] << 8;
  const int exponent = bits >> 10 & 31;
  const int mantissa = bits & 1023;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

// Weight `index` of an I2_S tensor: blocks of 128 weights in 32 bytes, the first 32 in the high
// bits.
int TritAt(const TensorView& view, size_t index) {
  const size_t block = index / 128, within = index % 128;
  const uint8_t byte = view.data[block * 32 + within % 32];
  return (byte >> (6 - 2 * (within / 32)) & 3) - 1;
}

double Dot(const Row& x, const Row& y) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}

void Add(const Row& x, Row& to) {
  for (size_t i = 0; i < x.size(); ++i) to[i] += x[i];
}

}  // namespace

absl::StatusOr<Row> Oracle::ReadNorm(const TensorSource& source, const std::string& name) {
  TERN_ASSIGN_OR_RETURN(const TensorView view, source.Find(name));
  Row norm(view.info.cols());
  for (size_t i = 0; i < norm.size(); ++i) norm[i] = FloatAt(view, i * sizeof(float));
  return norm;
}

absl::StatusOr<Oracle::Matrix> Oracle::ReadMatrix(const TensorSource& source,
                                                  const std::string& name) {
  TERN_ASSIGN_OR_RETURN(const TensorView view, source.Find(name));
  const size_t rows = view.info.rows(), cols = view.info.cols();
  Matrix matrix;
  matrix.scale = FloatAt(view, rows * cols / 4);
  matrix.trits.assign(rows, Row(cols));
  for (size_t i = 0; i < rows * cols; ++i) {
    const int trit = TritAt(view, i);
    if (trit > 1) return absl::DataLossError(absl::StrCat(name, ": code 3 at weight ", i));
    matrix.trits[i / cols][i % cols] = trit;
  }
  return matrix;
}

absl::StatusOr<Rows> Oracle::ReadEmbedding(const TensorSource& source) {
  TERN_ASSIGN_OR_RETURN(const TensorView view, source.Find("token_embd.weight"));
  const size_t dim = view.info.cols();
  Rows rows(view.info.rows(), Row(dim));
  for (size_t i = 0; i < rows.size() * dim; ++i) rows[i / dim][i % dim] = HalfAt(view, 2 * i);
  return rows;
}

absl::StatusOr<Oracle::Layer> Oracle::ReadLayer(const TensorSource& source, uint32_t layer) {
  const auto name = [&](const char* part) {
    return absl::StrCat("blk.", layer, ".", part, ".weight");
  };
  Layer read;
  TERN_ASSIGN_OR_RETURN(read.attn_norm, ReadNorm(source, name("attn_norm")));
  TERN_ASSIGN_OR_RETURN(read.attn_q, ReadMatrix(source, name("attn_q")));
  TERN_ASSIGN_OR_RETURN(read.attn_k, ReadMatrix(source, name("attn_k")));
  TERN_ASSIGN_OR_RETURN(read.attn_v, ReadMatrix(source, name("attn_v")));
  TERN_ASSIGN_OR_RETURN(read.attn_sub_norm, ReadNorm(source, name("attn_sub_norm")));
  TERN_ASSIGN_OR_RETURN(read.attn_output, ReadMatrix(source, name("attn_output")));
  TERN_ASSIGN_OR_RETURN(read.ffn_norm, ReadNorm(source, name("ffn_norm")));
  TERN_ASSIGN_OR_RETURN(read.ffn_gate, ReadMatrix(source, name("ffn_gate")));
  TERN_ASSIGN_OR_RETURN(read.ffn_up, ReadMatrix(source, name("ffn_up")));
  TERN_ASSIGN_OR_RETURN(read.ffn_sub_norm, ReadNorm(source, name("ffn_sub_norm")));
  TERN_ASSIGN_OR_RETURN(read.ffn_down, ReadMatrix(source, name("ffn_down")));
  return read;
}

absl::StatusOr<Oracle> Oracle::Create(const ModelConfig& config, const TensorSource& source) {
  Oracle oracle;
  oracle.config_ = config;
  TERN_ASSIGN_OR_RETURN(oracle.embedding_, ReadEmbedding(source));
  for (uint32_t i = 0; i < config.layers; ++i) {
    TERN_ASSIGN_OR_RETURN(Layer layer, ReadLayer(source, i));
    oracle.layers_.push_back(std::move(layer));
  }
  TERN_ASSIGN_OR_RETURN(oracle.output_norm_, ReadNorm(source, "output_norm.weight"));
  return oracle;
}

// x / sqrt(mean(x^2) + eps) * weight.
Row Oracle::Norm(const Row& x, const Row& weight) const {
  const double mean_square = Dot(x, x) / static_cast<double>(x.size());
  const double scale = 1 / std::sqrt(mean_square + config_.norm_eps);
  Row y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] * scale * weight[i];
  return y;
}

// Quantises x to codes of int8 and multiplies those.
Row Oracle::Linear(const Matrix& matrix, const Row& x, double& tie_margin) {
  double absmax = 1e-5;
  for (const double value : x) absmax = std::max(absmax, std::abs(value));
  const double factor = 127 / absmax;
  Row codes(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const double scaled = x[i] * factor;
    codes[i] = std::nearbyint(scaled);  // half to even
    tie_margin = std::min(tie_margin, 0.5 - std::abs(scaled - codes[i]));
  }
  Row y(matrix.trits.size());
  for (size_t row = 0; row < y.size(); ++row) {
    y[row] = Dot(matrix.trits[row], codes) * matrix.scale / factor;
  }
  return y;
}

// Every head of x: columns j and j + head_dim / 2 are a point that turns by
// position * theta^(-2j / head_dim).
void Oracle::Rotate(size_t position, Row& x) const {
  const size_t half = config_.head_dim / 2;
  for (size_t head = 0; head < x.size() / config_.head_dim; ++head) {
    for (size_t j = 0; j < half; ++j) {
      const double exponent = -2.0 * static_cast<double>(j) / config_.head_dim;
      const double angle =
          static_cast<double>(position) * std::pow(double{config_.rope_theta}, exponent);
      double& a = x[head * config_.head_dim + j];
      double& b = x[head * config_.head_dim + j + half];
      const double turned = a * std::cos(angle) - b * std::sin(angle);
      b = b * std::cos(angle) + a * std::sin(angle);
      a = turned;
    }
  }
}

// Of all heads of one token over the keys and values of the tokens up to it.
Row Oracle::Attention(const Row& query, std::span<const Row> keys,
                      std::span<const Row> values) const {
  const size_t dim = config_.head_dim;
  Row out(query.size());
  for (size_t head = 0; head < config_.heads; ++head) {
    const size_t kv = head / (config_.heads / config_.kv_heads) * dim;
    Row weights(keys.size());
    double total = 0;
    for (size_t t = 0; t < keys.size(); ++t) {
      double score = 0;
      for (size_t j = 0; j < dim; ++j) score += query[head * dim + j] * keys[t][kv + j];
      weights[t] = std::exp(score / std::sqrt(static_cast<double>(dim)));
      total += weights[t];
    }
    for (size_t t = 0; t < keys.size(); ++t) {
      for (size_t j = 0; j < dim; ++j) {
        out[head * dim + j] += weights[t] / total * values[t][kv + j];
      }
    }
  }
  return out;
}

void Oracle::RunLayer(const Layer& layer, Rows& h, double& tie_margin) const {
  Rows keys, values;
  for (size_t position = 0; position < h.size(); ++position) {
    const Row x = Norm(h[position], layer.attn_norm);
    Row query = Linear(layer.attn_q, x, tie_margin);
    keys.push_back(Linear(layer.attn_k, x, tie_margin));
    values.push_back(Linear(layer.attn_v, x, tie_margin));
    Rotate(position, query);
    Rotate(position, keys.back());
    const Row attended = Norm(Attention(query, keys, values), layer.attn_sub_norm);
    Add(Linear(layer.attn_output, attended, tie_margin), h[position]);
  }
  for (Row& row : h) {
    const Row x = Norm(row, layer.ffn_norm);
    const Row gate = Linear(layer.ffn_gate, x, tie_margin);
    Row inner = Linear(layer.ffn_up, x, tie_margin);
    for (size_t i = 0; i < inner.size(); ++i) inner[i] *= std::pow(std::max(gate[i], 0.0), 2);
    Add(Linear(layer.ffn_down, Norm(inner, layer.ffn_sub_norm), tie_margin), row);
  }
}

OracleResult Oracle::Run(std::span<const int32_t> tokens) const {
  OracleResult result;
  Rows h;
  for (const int32_t token : tokens) h.push_back(embedding_[static_cast<size_t>(token)]);
  for (const Layer& layer : layers_) RunLayer(layer, h, result.tie_margin);
  for (const Row& row : h) {
    const Row normed = Norm(row, output_norm_);
    Row logits;
    for (const Row& embedding : embedding_) logits.push_back(Dot(embedding, normed));
    result.logits.push_back(std::move(logits));
  }
  return result;
}

}  // namespace tern
