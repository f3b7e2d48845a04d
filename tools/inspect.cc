// SPDX-License-Identifier: MIT
// `tern inspect`: what a GGUF file says of itself and what its tensors hold.
#include "tools/inspect.h"

#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/human_bytes.h"
#include "base/status_macros.h"
#include "formats/gguf.h"
#include "kernels/i2s.h"
#include "model/model_file.h"
#include "tools/commands.h"

namespace tern {
namespace {

// What a scan of I2_S bytes finds.
struct TritFacts {
  uint64_t zeros = 0;
  float scale = 0;
};

struct TensorFacts {
  TensorInfo info;
  uint64_t weights = 0;
  std::optional<TritFacts> trits;  // I2_S only

  double bits_per_weight() const {
    return 8.0 * static_cast<double>(info.bytes) / static_cast<double>(weights);
  }
};

struct TypeTotal {
  uint64_t tensors = 0;
  uint64_t weights = 0;
  uint64_t bytes = 0;
  uint64_t zeros = 0;
};

double Percent(uint64_t part, uint64_t whole) {
  return 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

constexpr uint8_t kInvalid = 0xff;  // a byte that holds code 3

// For each byte value, how many of its four codes are 1, the code of trit 0.
constexpr std::array<uint8_t, 256> MakeZeroCounts() {
  std::array<uint8_t, 256> counts{};
  for (int byte = 0; byte < 256; ++byte) {
    for (int shift = 0; shift < 8; shift += 2) {
      const int code = byte >> shift & 3;
      if (code == 3) counts[byte] = kInvalid;
      if (code == 1 && counts[byte] != kInvalid) ++counts[byte];
    }
  }
  return counts;
}
constexpr std::array<uint8_t, 256> kZeroCounts = MakeZeroCounts();

absl::StatusOr<TritFacts> ScanTrits(const TensorView& view) {
  TritFacts facts;
  const size_t packed_bytes = view.data.size() - kI2STailBytes;
  for (size_t i = 0; i < packed_bytes; ++i) {
    const uint8_t zeros = kZeroCounts[view.data[i]];
    if (zeros == kInvalid) {
      return absl::DataLossError(absl::StrCat("tensor ", absl::Utf8SafeCEscape(view.info.name),
                                              ": code 3 in its byte ", i,
                                              ": damaged, or not in the canonical I2_S layout"));
    }
    facts.zeros += zeros;
  }
  std::memcpy(&facts.scale, view.data.data() + packed_bytes, sizeof(facts.scale));
  return facts;
}

absl::StatusOr<std::vector<TensorFacts>> ScanTensors(const GgufFile& file) {
  std::vector<TensorFacts> all;
  for (const TensorInfo& info : file.tensors()) {
    TensorFacts facts{info, 1, std::nullopt};
    for (const uint64_t extent : info.shape) facts.weights *= extent;
    if (info.type == TensorType::kI2S) {
      TERN_ASSIGN_OR_RETURN(const TensorView view, file.Find(info.name));
      absl::StatusOr<TritFacts> trits = ScanTrits(view);
      if (!trits.ok()) {
        return absl::DataLossError(absl::StrCat(file.name(), ": ", trits.status().message()));
      }
      facts.trits = *trits;
    }
    all.push_back(std::move(facts));
  }
  return all;
}

std::map<std::string, TypeTotal> Totals(const std::vector<TensorFacts>& tensors) {
  std::map<std::string, TypeTotal> totals;
  for (const TensorFacts& tensor : tensors) {
    TypeTotal& total = totals[TensorTypeName(tensor.info.type)];
    ++total.tensors;
    total.weights += tensor.weights;
    total.bytes += tensor.info.bytes;
    if (tensor.trits) total.zeros += tensor.trits->zeros;
  }
  return totals;
}

void PrintText(const GgufFile& file, const std::vector<TensorFacts>& tensors) {
  constexpr size_t kMostValue = 90;
  std::printf("%s: GGUF version %u, %s, %zu tensors\n%s\n\nMetadata\n", file.name().c_str(),
              file.version(), HumanBytes(static_cast<double>(file.file_bytes())).c_str(),
              tensors.size(), RunSummary(ModelFile::Open(file.name())).c_str());
  for (const auto& [key, value] : file.metadata()) {
    std::string text = value.ToString();
    if (text.size() > kMostValue) text = absl::StrCat(text.substr(0, kMostValue), "...");
    std::printf("  %-48s %s\n", absl::Utf8SafeCEscape(key).c_str(), text.c_str());
  }
  std::printf("\nTensors %35s %-16s %13s %11s %8s %11s\n", "type", "shape", "bytes", "bits/weight",
              "zeros", "scale");
  for (const TensorFacts& tensor : tensors) {
    std::printf("  %-36s %5s %-16s %13s %11.3f", absl::Utf8SafeCEscape(tensor.info.name).c_str(),
                TensorTypeName(tensor.info.type).c_str(),
                absl::StrJoin(tensor.info.shape, " x ").c_str(),
                absl::StrCat(tensor.info.bytes).c_str(), tensor.bits_per_weight());
    if (tensor.trits) {
      std::printf(" %6.2f %% %11.6g", Percent(tensor.trits->zeros, tensor.weights),
                  tensor.trits->scale);
    }
    std::printf("\n");
  }
  std::printf("\nTotals\n");
  for (const auto& [type, total] : Totals(tensors)) {
    std::printf("  %-5s %6s tensors %15s weights %12s", type.c_str(),
                absl::StrCat(total.tensors).c_str(), absl::StrCat(total.weights).c_str(),
                HumanBytes(static_cast<double>(total.bytes)).c_str());
    if (type == TensorTypeName(TensorType::kI2S)) {
      std::printf(", %.2f %% zeros", Percent(total.zeros, total.weights));
    }
    std::printf("\n");
  }
}

// Scalars as they are, an array as its size.
nlohmann::ordered_json ToJson(const GgufValue& value) {
  if (std::holds_alternative<GgufArray>(value.value)) return value.ToString();
  nlohmann::ordered_json json;
  std::visit(
      [&json](const auto& v) {
        if constexpr (!std::is_same_v<std::decay_t<decltype(v)>, GgufArray>) json = v;
      },
      value.value);
  return json;
}

void PrintJson(const GgufFile& file, const std::vector<TensorFacts>& tensors) {
  nlohmann::ordered_json root = {
      {"file", file.name()}, {"bytes", file.file_bytes()}, {"version", file.version()}};
  const absl::Status runnable = ModelFile::Open(file.name()).status();
  root["runnable"] = runnable.ok();
  if (!runnable.ok()) root["reason"] = std::string(runnable.message());
  root["metadata"] = nlohmann::ordered_json::object();
  for (const auto& [key, value] : file.metadata()) root["metadata"][key] = ToJson(value);
  root["tensors"] = nlohmann::ordered_json::array();
  for (const TensorFacts& tensor : tensors) {
    nlohmann::ordered_json entry = {{"name", tensor.info.name},
                                    {"type", TensorTypeName(tensor.info.type)},
                                    {"shape", tensor.info.shape},
                                    {"bytes", tensor.info.bytes},
                                    {"bits_per_weight", tensor.bits_per_weight()}};
    if (tensor.trits) {
      entry["zero_share"] = Percent(tensor.trits->zeros, tensor.weights) / 100;
      entry["scale"] = tensor.trits->scale;
    }
    root["tensors"].push_back(std::move(entry));
  }
  // Names and strings of the file need not be UTF-8; JSON must be.
  using Json = nlohmann::ordered_json;
  std::printf("%s\n", root.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

absl::Status Inspect(const std::string& path, bool json) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return InspectDirectory(path, json);
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<GgufFile> file, GgufFile::Open(path));
  TERN_ASSIGN_OR_RETURN(const std::vector<TensorFacts> tensors, ScanTensors(*file));
  json ? PrintJson(*file, tensors) : PrintText(*file, tensors);
  return absl::OkStatus();
}

struct InspectFlags {
  std::string path;
  bool json = false;
};

}  // namespace

std::string RunSummary(const absl::StatusOr<std::unique_ptr<ModelFile>>& model) {
  if (!model.ok()) return absl::StrCat("This build cannot run it: ", model.status().message());
  const ModelConfig& config = (*model)->config();
  std::string summary = absl::StrFormat(
      "%s: %u layers, dim %u, ffn %u, %u heads of %u, %u key-value heads, %u tokens in the "
      "vocabulary, %u of context",
      config.architecture, config.layers, config.dim, config.ffn_dim, config.heads, config.head_dim,
      config.kv_heads, config.vocab, config.context);
  for (const std::string& note : (*model)->notes()) absl::StrAppend(&summary, "\nnote: ", note);
  return summary;
}

void AddInspect(CLI::App& app, absl::Status& status) {
  auto flags = std::make_shared<InspectFlags>();
  CLI::App* command = app.add_subcommand(
      "inspect", "Show what a model's files hold, and whether this build can run it");
  command->add_option("model", flags->path, "GGUF file or Hugging Face directory")->required();
  command->add_flag("--json", flags->json, "Print JSON");
  command->callback([flags, &status] { status = Inspect(flags->path, flags->json); });
}

}  // namespace tern
