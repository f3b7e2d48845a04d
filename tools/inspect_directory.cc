// SPDX-License-Identifier: MIT
// `tern inspect` of a Hugging Face directory: whether it runs, and its tensors as they are stored.
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/human_bytes.h"
#include "base/status_macros.h"
#include "formats/safetensors.h"
#include "tools/inspect.h"

namespace tern {
namespace {

using Model = absl::StatusOr<std::unique_ptr<ModelFile>>;

void PrintText(const std::string& path, const SafetensorsSet& files, const Model& model) {
  std::printf("%s: Hugging Face directory, %s, %zu tensors\n%s\n", path.c_str(),
              HumanBytes(static_cast<double>(files.bytes())).c_str(), files.tensors().size(),
              RunSummary(model).c_str());
  std::printf("\nTensors %55s %-16s %13s\n", "type", "shape", "bytes");
  struct Total {
    uint64_t tensors = 0, bytes = 0;
  };
  std::map<std::string, Total> totals;
  for (const Safetensor* tensor : files.tensors()) {
    std::printf("  %-56s %4s %-16s %13zu\n", absl::Utf8SafeCEscape(tensor->name).c_str(),
                tensor->dtype.c_str(), absl::StrJoin(tensor->shape, " x ").c_str(),
                tensor->data.size());
    Total& total = totals[tensor->dtype];
    ++total.tensors;
    total.bytes += tensor->data.size();
  }
  std::printf("\nTotals\n");
  for (const auto& [dtype, total] : totals) {
    std::printf("  %-5s %6s tensors %12s\n", dtype.c_str(), absl::StrCat(total.tensors).c_str(),
                HumanBytes(static_cast<double>(total.bytes)).c_str());
  }
}

void PrintJson(const std::string& path, const SafetensorsSet& files, const Model& model) {
  using Json = nlohmann::ordered_json;
  Json root = {{"file", path}, {"bytes", files.bytes()}, {"runnable", model.ok()}};
  if (!model.ok()) root["reason"] = std::string(model.status().message());
  root["tensors"] = Json::array();
  for (const Safetensor* tensor : files.tensors()) {
    root["tensors"].push_back({{"name", tensor->name},
                               {"type", tensor->dtype},
                               {"shape", tensor->shape},
                               {"bytes", tensor->data.size()}});
  }
  std::printf("%s\n", root.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

}  // namespace

absl::Status InspectDirectory(const std::string& path, bool json) {
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<SafetensorsSet> files, SafetensorsSet::Open(path));
  const Model model = ModelFile::Open(path);
  json ? PrintJson(path, *files, model) : PrintText(path, *files, model);
  return absl::OkStatus();
}

}  // namespace tern
