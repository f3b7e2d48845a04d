// SPDX-License-Identifier: MIT
// `tern quantize-check`: how far a model's matrices are from ternary.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "formats/safetensors.h"
#include "model/model_file.h"
#include "model/ternarise.h"
#include "tools/commands.h"

namespace tern {
namespace {

// The dense matrices of the layers, as views under their own names.
std::vector<TensorView> Matrices(const SafetensorsSet& files) {
  std::vector<TensorView> matrices;
  for (const Safetensor* tensor : files.tensors()) {
    if (tensor->shape.size() != 2 || !absl::StrContains(tensor->name, "layers.")) continue;
    const TensorType type = tensor->dtype == "F32"    ? TensorType::kF32
                            : tensor->dtype == "F16"  ? TensorType::kF16
                            : tensor->dtype == "BF16" ? TensorType::kBF16
                                                      : TensorType::kI2S;
    if (IsTernary(type)) continue;  // packed
    matrices.push_back(
        {{tensor->name, type, {tensor->shape[1], tensor->shape[0]}, tensor->data.size()},
         tensor->data});
  }
  return matrices;
}

absl::Status QuantizeCheck(const std::string& directory) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(directory, ignored)) {
    return absl::InvalidArgumentError(absl::StrCat(
        directory,
        ": found a file, want a Hugging Face directory; for a GGUF file see tern inspect"));
  }
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<SafetensorsSet> files,
                        SafetensorsSet::Open(directory));
  const std::vector<TensorView> matrices = Matrices(*files);
  if (matrices.empty()) {
    std::printf("no dense matrices: the weights are packed, or there are none\n");
    return absl::OkStatus();
  }
  std::printf("%-56s %12s %8s %10s  %s\n", "matrix", "scale", "zeros", "error", "ternary");
  size_t exact = 0;
  double error = 0;
  for (const TensorView& matrix : matrices) {
    TERN_ASSIGN_OR_RETURN(const TernaryFit fit, MeasureFit(matrix));
    TERN_ASSIGN_OR_RETURN(const RoundingLoss loss, MeasureRounding(matrix, fit.scale));
    const std::string kind =
        fit.one_scale    ? "exactly, one scale"
        : fit.group_cols ? absl::StrCat("exactly, a scale for each ", fit.group_cols, " columns")
                         : "no";
    std::printf("%-56s %12.6g %6.1f %% %8.2f %%  %s\n", matrix.info.name.c_str(),
                static_cast<double>(fit.scale), 100 * loss.zeros, 100 * loss.error, kind.c_str());
    exact += fit.exact();
    error += fit.exact() ? 0 : loss.error / static_cast<double>(matrices.size());
  }
  std::printf("\n%zu of %zu matrices are ternary already.\n", exact, matrices.size());
  if (exact == matrices.size()) {
    std::printf("tern convert keeps every weight as it is.\n");
    return absl::OkStatus();
  }
  std::printf("Rounding the others to trits by absmean changes them by %.0f %% on average.\n",
              100 * error);
  const absl::Status opened = ModelFile::Open(directory).status();
  if (opened.ok()) {
    std::printf(
        "This model was trained for it: these are master weights, and it computes with their "
        "trits.\n");
    return absl::OkStatus();
  }
  std::printf(
      "That is no compression but another, broken model: no conversion makes a dense model ternary "
      "without\ntraining. Tern refuses it: %s\n",
      std::string(opened.message()).c_str());
  return absl::OkStatus();
}

}  // namespace

void AddQuantizeCheck(CLI::App& app, absl::Status& status) {
  auto directory = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand(
      "quantize-check", "Report how far a Hugging Face model's weights are from ternary");
  command->add_option("directory", *directory, "With safetensors files")->required();
  command->callback([directory, &status] { status = QuantizeCheck(*directory); });
}

}  // namespace tern
