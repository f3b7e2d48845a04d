// SPDX-License-Identifier: MIT
#include "model/weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/cache_directory.h"
#include "base/cache_eviction.h"
#include "base/mapped_file.h"
#include "base/status_macros.h"
#include "formats/dense.h"
#include "formats/ternary.h"
#include "kernels/packing.h"
#include "kernels/t2r16.h"
#include "kernels/tuner.h"
#include "model/matrix_loader.h"
#include "model/packed_arrays.h"
#include "model/packed_cache.h"

namespace tern {
namespace {

struct NormSlot {
  const char* name;
  NormWeights LayerWeights::*weight;
};
constexpr NormSlot kNorms[] = {
    {"attn_norm", &LayerWeights::attn_norm},
    {"attn_q_norm", &LayerWeights::attn_q_norm},
    {"attn_k_norm", &LayerWeights::attn_k_norm},
    {"attn_sub_norm", &LayerWeights::attn_sub_norm},
    {"post_attention_norm", &LayerWeights::post_attention_norm},
    {"ffn_norm", &LayerWeights::ffn_norm},
    {"ffn_sub_norm", &LayerWeights::ffn_sub_norm},
    {"post_ffw_norm", &LayerWeights::post_ffw_norm},
};

struct MatrixSlot {
  const char* name;
  BitLinear LayerWeights::*matrix;
};
constexpr MatrixSlot kMatrices[] = {
    {"attn_q", &LayerWeights::attn_q},     {"attn_k", &LayerWeights::attn_k},
    {"attn_v", &LayerWeights::attn_v},     {"attn_output", &LayerWeights::attn_output},
    {"ffn_gate", &LayerWeights::ffn_gate}, {"ffn_up", &LayerWeights::ffn_up},
    {"ffn_down", &LayerWeights::ffn_down},
};

// Columns that share a scale in a ternary embedding or head, whose inputs always keep 22 bits.
size_t TableGroupCols(TensorType type, size_t cols) {
  size_t group = std::min<size_t>(ScaleCols(type, cols), kGroupCols);
  while (cols % group != 0) group /= 2;
  return group;
}

// Bytes of a ternary matrix once loaded.
uint64_t LoadedMatrixBytes(uint64_t rows, uint64_t cols, uint64_t group_cols) {
  const uint64_t padded = (rows + kT2R16Rows - 1) / kT2R16Rows * kT2R16Rows;
  const uint64_t scales = group_cols == 0 ? 0 : padded * (cols / group_cols);
  return PackedBytes(Packing::kT2R16, rows, cols) + scales * sizeof(float);
}

// Empty if nothing may be kept.
std::string InCacheDirectory(const Kernels& kernels, const char* name) {
  const std::string directory = kernels.may_cache ? DefaultCacheDirectory() : "";
  return directory.empty() ? directory : absl::StrCat(directory, name);
}

// Loads one tensor at a time, with all threads.
class Loader {
 public:
  Loader(const ModelConfig& config, const TensorSource& source, const Kernels& kernels,
         ThreadPool& pool, uint64_t total_bytes, const std::function<void(float)>& progress)
      : config_(config),
        source_(source),
        kernels_(kernels),
        pool_(pool),
        total_bytes_(total_bytes),
        progress_(progress),
        packed_(InCacheDirectory(kernels, "/packed")) {}

  absl::StatusOr<LayerWeights> Layer(uint32_t layer);
  absl::StatusOr<NormWeights> Norm(const TensorSpec& want);
  // `screen`, if not null, is made on the way, should the table be one that can have it.
  absl::StatusOr<EmbeddingTable> Table(const TensorSpec& want, HeadScreen* screen);

 private:
  absl::StatusOr<TensorView> Find(const TensorSpec& want) const;
  absl::StatusOr<BitLinear> Matrix(const TensorSpec& want);
  absl::StatusOr<BitLinear> PackedMatrix(const TensorSpec& want, const MatrixOptions& options);
  absl::StatusOr<EmbeddingTable> TernaryTable(const TensorSpec& want, TensorType type);
  absl::StatusOr<EmbeddingTable> DenseTable(const TensorView& view, HeadScreen* screen);
  absl::StatusOr<HeadScreen> Screen(const TensorView& view, EmbeddingTable& table);
  absl::Status ReadRows(const TensorView& view, EmbeddingTable& table, HeadScreen* screen);
  MatrixKernels KernelsFor(const TensorSpec& matrix, size_t group_cols);

  void Done(const TensorSpec& tensor);

  const ModelConfig& config_;
  const TensorSource& source_;
  const Kernels& kernels_;
  ThreadPool& pool_;
  std::optional<KernelTuner> tuner_;
  const uint64_t total_bytes_;
  const std::function<void(float)>& progress_;
  uint64_t done_bytes_ = 0;
  PackedCache packed_;
};

absl::StatusOr<TensorView> Loader::Find(const TensorSpec& want) const {
  TERN_ASSIGN_OR_RETURN(TensorView view, source_.Find(want.name));
  TERN_RETURN_IF_ERROR(CheckTensor(config_, want, view.info));
  const absl::StatusOr<uint64_t> bytes = TensorBytes(view.info.type, view.info.shape);
  if (!bytes.ok() || view.data.size() != *bytes) {
    return absl::DataLossError(absl::StrCat("tensor ", want.name, ": found ", view.data.size(),
                                            " bytes, want ", bytes.value_or(0)));
  }
  return view;
}

void Loader::Done(const TensorSpec& tensor) {
  done_bytes_ += LoadedBytes(config_, tensor);
  if (!progress_) return;
  progress_(
      static_cast<float>(static_cast<double>(done_bytes_) / static_cast<double>(total_bytes_)));
}

absl::StatusOr<LayerWeights> Loader::Layer(uint32_t layer) {
  LayerWeights weights;
  for (const TensorSpec& want : LayerTensors(config_, layer)) {
    const auto is = [&](const char* name, const char* suffix) {
      return want.name == absl::StrCat("blk.", layer, ".", name, suffix, ".weight");
    };
    for (const NormSlot& slot : kNorms) {
      if (!is(slot.name, "")) continue;
      TERN_ASSIGN_OR_RETURN(weights.*slot.weight, Norm(want));
    }
    for (const MatrixSlot& slot : kMatrices) {
      if (is(slot.name, "")) {
        TERN_ASSIGN_OR_RETURN(weights.*slot.matrix, Matrix(want));
      } else if (is(slot.name, "_norm_in")) {  // follows its matrix
        TERN_ASSIGN_OR_RETURN((weights.*slot.matrix).input_norm, Norm(want));
      }
    }
  }
  return weights;
}

absl::StatusOr<NormWeights> Loader::Norm(const TensorSpec& want) {
  TERN_ASSIGN_OR_RETURN(const TensorView view, Find(want));
  NormWeights norm(want.shape[0]);
  DecodeDense(view.info.type, view.data.data(), norm.size(), norm.data());
  for (const float weight : norm) {
    if (std::isfinite(weight)) continue;
    return absl::DataLossError(
        absl::StrCat("tensor ", want.name, ": found ", weight, ", want finite numbers"));
  }
  Done(want);
  return norm;
}

MatrixKernels Loader::KernelsFor(const TensorSpec& matrix, size_t group_cols) {
  if (group_cols > 0) return BestKernels(Packing::kT2R16, kernels_.isa);
  if (!kernels_.may_cache || kernels_.is_forced) return kernels_.matrix;
  if (!tuner_) tuner_.emplace(&pool_, InCacheDirectory(kernels_, "/kernels"));
  return tuner_->Choose(matrix.shape[1], matrix.shape[0]);
}

// From the cache, or packed now and kept there.
absl::StatusOr<BitLinear> Loader::PackedMatrix(const TensorSpec& want,
                                               const MatrixOptions& options) {
  const std::string content_id = kernels_.may_cache ? source_.ContentId(want.name) : "";
  const std::string form = PackedMatrixForm(want.name, options);
  if (const auto file = packed_.Find(content_id, form, kPackedMatrixArrays)) {
    absl::StatusOr<BitLinear> matrix =
        ReadPackedMatrix(*file, want.shape[1], want.shape[0], options, pool_);
    if (matrix.ok()) return matrix;
    packed_.Discard(content_id, form, matrix.status());
  }
  TERN_ASSIGN_OR_RETURN(const TensorView view, Find(want));
  TERN_ASSIGN_OR_RETURN(BitLinear matrix, LoadMatrix(view, options, pool_));
  packed_.Store(content_id, form, ArraysOf(matrix));
  if (view.is_mapped) ReleasePages(view.data);
  return matrix;
}

absl::StatusOr<BitLinear> Loader::Matrix(const TensorSpec& want) {
  const bool is_rotary =
      absl::EndsWith(want.name, ".attn_q.weight") || absl::EndsWith(want.name, ".attn_k.weight");
  const MatrixOptions options = {
      .kernels = KernelsFor(want, config_.group_cols),
      .group_cols = config_.group_cols,
      .interleaved_head_dim = config_.interleaved_rope && is_rotary ? config_.head_dim : 0};
  TERN_ASSIGN_OR_RETURN(BitLinear matrix, PackedMatrix(want, options));
  matrix.rotated = config_.rotation.Applies(want.name);
  Done(want);
  return matrix;
}

// Whether 16-bit floats have no exponent of all ones, which `exponent` masks.
bool AllFinite(const uint8_t* row, uint64_t cols, uint16_t exponent) {
  const auto* halves = reinterpret_cast<const uint16_t*>(row);
  return std::none_of(halves, halves + cols,
                      [exponent](uint16_t half) { return (half & exponent) == exponent; });
}

bool AllFinite(TensorType type, const uint8_t* row, uint64_t cols, std::span<float> scratch) {
  if (type == TensorType::kF16) return AllFinite(row, cols, 0x7C00);
  if (type == TensorType::kBF16) return AllFinite(row, cols, 0x7F80);
  DecodeDense(type, row, cols, scratch.data());
  return std::all_of(scratch.begin(), scratch.end(), [](float x) { return std::isfinite(x); });
}

// Copies rows that are not mapped, and makes the screen while a row is in the cache. Pages of a
// mapped file do not stay in memory.
absl::Status Loader::ReadRows(const TensorView& view, EmbeddingTable& table, HeadScreen* screen) {
  constexpr size_t kRowsToRelease = 1024;
  std::vector<absl::Status> statuses(pool_.size());
  pool_.Run([&](size_t thread) {
    const IndexRange share = SplitRange(table.rows, kRowSplit, thread, pool_.size());
    AlignedBuffer<float> floats(table.cols);
    ScreenScratch scratch(table.cols);
    size_t released = share.begin;
    const auto release = [&](size_t end) {
      if (view.is_mapped) {
        ReleasePages(
            view.data.subspan(released * table.row_bytes, (end - released) * table.row_bytes));
      }
      released = end;
    };
    for (size_t row = share.begin; row < share.end; ++row) {
      if (table.mapped.empty()) {
        const size_t offset = row * table.row_bytes;
        std::memcpy(table.dense.data() + offset, view.data.data() + offset, table.row_bytes);
      }
      if (!AllFinite(table.type, table.Row(row), table.cols, floats.span())) {
        statuses[thread] =
            absl::DataLossError(absl::StrCat("tensor ", view.info.name, ": row ", row,
                                             ": found infinity or NaN, want finite numbers"));
        return;
      }
      if (screen != nullptr) {
        LookUp(table, row, kernels_.ops, scratch.codes.span(), floats.data());
        ScreenRow(floats.data(), row, kernels_.ops, scratch, *screen);
      }
      if (row - released == kRowsToRelease) release(row);
    }
    release(share.end);
  });
  for (const absl::Status& status : statuses) TERN_RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

// A screen that is kept says that the rows were read before and are finite.
absl::StatusOr<HeadScreen> Loader::Screen(const TensorView& view, EmbeddingTable& table) {
  const std::string content_id = kernels_.may_cache ? source_.ContentId(view.info.name) : "";
  const std::string form = ScreenForm(view.info.name);
  if (const auto file = packed_.Find(content_id, form, kScreenArrays);
      file && table.dense.empty()) {
    absl::StatusOr<HeadScreen> screen = ReadScreen(*file, table.rows, table.cols, pool_);
    if (screen.ok()) return screen;
    packed_.Discard(content_id, form, screen.status());
  }
  HeadScreen screen = MakeScreen(table.rows, table.cols);
  TERN_RETURN_IF_ERROR(ReadRows(view, table, &screen));
  packed_.Store(content_id, form, ArraysOf(screen));
  return screen;
}

absl::StatusOr<EmbeddingTable> Loader::TernaryTable(const TensorSpec& want, TensorType type) {
  EmbeddingTable table;
  table.type = type;
  table.cols = want.shape[0];
  table.rows = want.shape[1];
  const size_t group_cols = TableGroupCols(type, table.cols);
  const MatrixOptions options = {.kernels = KernelsFor(want, group_cols), .group_cols = group_cols};
  TERN_ASSIGN_OR_RETURN(table.ternary, PackedMatrix(want, options));
  // A tied head multiplies rows that are stored rotated.
  table.ternary.rotated = want.role == TensorRole::kEmbedding ? config_.rotation.embedding
                                                              : config_.rotation.Applies(want.name);
  return table;
}

absl::StatusOr<EmbeddingTable> Loader::DenseTable(const TensorView& view, HeadScreen* screen) {
  EmbeddingTable table;
  table.type = view.info.type;
  table.cols = view.info.cols();
  table.rows = view.info.rows();
  table.row_bytes = DenseRowBytes(table.type, table.cols);
  const bool is_screened = screen != nullptr && table.rows >= kernels_.screen_from_rows &&
                           CanScreen(table.type, table.rows, table.cols);
  // A head that is read in full for each token lies better on large pages.
  if (view.is_mapped && view.owner != nullptr && (screen == nullptr || is_screened)) {
    table.mapped = view.data;
    table.owner = view.owner;
  } else {
    table.dense = AlignedBuffer<uint8_t>(table.rows * table.row_bytes);
  }
  if (is_screened) {
    TERN_ASSIGN_OR_RETURN(*screen, Screen(view, table));
  } else {
    TERN_RETURN_IF_ERROR(ReadRows(view, table, nullptr));
  }
  return table;
}

absl::StatusOr<EmbeddingTable> Loader::Table(const TensorSpec& want, HeadScreen* screen) {
  TERN_ASSIGN_OR_RETURN(const TensorView view, Find(want));
  TERN_ASSIGN_OR_RETURN(EmbeddingTable table, IsTernary(view.info.type)
                                                  ? TernaryTable(want, view.info.type)
                                                  : DenseTable(view, screen));
  Done(want);
  return table;
}

TensorType HeadType(const ModelConfig& config) {
  return config.tied_head ? config.embedding_type : config.head_type;
}

uint64_t AllLoadedBytes(const ModelConfig& config, std::span<const TensorSpec> tensors) {
  uint64_t bytes = 0;
  for (const TensorSpec& tensor : tensors) bytes += LoadedBytes(config, tensor);
  return bytes;
}

}  // namespace

uint64_t LoadedBytes(const ModelConfig& config, const TensorSpec& tensor) {
  const uint64_t cols = tensor.shape[0];
  const uint64_t rows = tensor.shape.size() < 2 ? 1 : tensor.shape[1];
  if (tensor.role == TensorRole::kNorm) return cols * sizeof(float);
  if (tensor.role == TensorRole::kMatrix) return LoadedMatrixBytes(rows, cols, config.group_cols);
  const TensorType type =
      tensor.role == TensorRole::kHead ? config.head_type : config.embedding_type;
  if (IsTernary(type)) return LoadedMatrixBytes(rows, cols, TableGroupCols(type, cols));
  return rows * DenseRowBytes(type, cols);
}

void EvictFromCaches(const StageWeights& weights) {
  const auto evict = [](const auto& arrays) {
    for (const std::span<const uint8_t> bytes : arrays) EvictFromCaches(bytes);
  };
  for (const LayerWeights& layer : weights.layers) {
    for (const BitLinear* matrix : MatricesOf(layer)) evict(ArraysOf(*matrix));
  }
  evict(ArraysOf(weights.screen));
  const EmbeddingTable& head = weights.head();
  EvictFromCaches({head.dense.data(), head.dense.size()});
  evict(ArraysOf(head.ternary));
}

std::vector<TensorSpec> StageTensorSpecs(const ModelConfig& config, LayerRange range) {
  const bool is_last = range.end == config.layers;
  const bool has_head = is_last && config.has_head;
  std::vector<TensorSpec> tensors;
  if (range.begin == 0 || (has_head && config.tied_head)) {
    tensors.push_back(EmbeddingTensor(config));
  }
  for (uint32_t layer = range.begin; layer < range.end; ++layer) {
    for (TensorSpec& tensor : LayerTensors(config, layer)) tensors.push_back(std::move(tensor));
  }
  if (is_last) tensors.push_back(OutputNormTensor(config));
  if (has_head && !config.tied_head) tensors.push_back(HeadTensor(config));
  return tensors;
}

uint64_t HeadScreenBytes(const ModelConfig& config) {
  const bool has_screen = config.has_head && config.vocab >= kScreenFromRows &&
                          CanScreen(HeadType(config), config.vocab, config.dim);
  return has_screen ? ScreenBytes(config.vocab, config.dim) : 0;
}

uint64_t WeightBytes(const ModelConfig& config, LayerRange range) {
  return AllLoadedBytes(config, StageTensorSpecs(config, range)) +
         (range.end == config.layers ? HeadScreenBytes(config) : 0);
}

absl::StatusOr<StageWeights> LoadWeights(const ModelConfig& config, LayerRange range,
                                         const TensorSource& source, const Kernels& kernels,
                                         ThreadPool& pool,
                                         const std::function<void(float)>& progress) {
  if (range.begin >= range.end || range.end > config.layers) {
    return absl::InvalidArgumentError(absl::StrCat("layers: found ", range.begin, " to ", range.end,
                                                   ", want a part of 0 to ", config.layers));
  }
  const std::vector<TensorSpec> tensors = StageTensorSpecs(config, range);
  Loader loader(config, source, kernels, pool, AllLoadedBytes(config, tensors), progress);
  StageWeights weights;
  for (uint32_t layer = range.begin; layer < range.end; ++layer) {
    TERN_ASSIGN_OR_RETURN(LayerWeights loaded, loader.Layer(layer));
    weights.layers.push_back(std::move(loaded));
  }
  for (const TensorSpec& tensor : tensors) {
    if (tensor.role == TensorRole::kEmbedding) {
      const bool is_head = range.end == config.layers && config.has_head && config.tied_head;
      TERN_ASSIGN_OR_RETURN(weights.embedding,
                            loader.Table(tensor, is_head ? &weights.screen : nullptr));
    } else if (tensor.role == TensorRole::kHead) {
      TERN_ASSIGN_OR_RETURN(weights.own_head, loader.Table(tensor, &weights.screen));
    } else if (tensor.name == OutputNormTensor(config).name) {
      TERN_ASSIGN_OR_RETURN(weights.output_norm, loader.Norm(tensor));
    }
  }
  return weights;
}

}  // namespace tern
