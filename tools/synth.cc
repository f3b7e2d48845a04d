// SPDX-License-Identifier: MIT
// `tern synth`: writes a model with random ternary weights, for tests and speed measurements.
#include "model/synth.h"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/human_bytes.h"
#include "base/status_macros.h"
#include "tools/commands.h"
#include "tools/progress.h"

namespace tern {
namespace {

struct SynthFlags {
  std::string shape;
  std::string out;
  uint64_t seed = 1;
  bool force = false;
};

std::string ShapeNames() {
  std::vector<std::string> names;
  for (const ModelConfig& shape : SyntheticShapes()) names.push_back(shape.name);
  return absl::StrJoin(names, ", ");
}

absl::Status Synth(const SynthFlags& flags) {
  TERN_ASSIGN_OR_RETURN(const ModelConfig config, SyntheticShape(flags.shape));
  std::error_code error;
  if (!flags.force && std::filesystem::exists(flags.out, error)) {
    return absl::FailedPreconditionError(
        absl::StrCat(flags.out, ": it exists already; --force replaces it"));
  }
  ProgressBar bar(absl::StrCat("writing ", flags.out));
  TERN_RETURN_IF_ERROR(WriteSyntheticModel(config, flags.out, flags.seed,
                                           [&bar](double share) { bar.Update(share); }));
  const uint64_t bytes = std::filesystem::file_size(flags.out, error);
  std::printf("%s: %s, %u layers of %u, %s\n", flags.out.c_str(), config.name.c_str(),
              config.layers, config.dim, HumanBytes(static_cast<double>(bytes)).c_str());
  return absl::OkStatus();
}

}  // namespace

void AddSynth(CLI::App& app, absl::Status& status) {
  auto flags = std::make_shared<SynthFlags>();
  CLI::App* command = app.add_subcommand("synth", "Write a model with random weights");
  command->add_option("--shape", flags->shape, absl::StrCat("One of ", ShapeNames()))->required();
  command->add_option("--out", flags->out, "The GGUF file to write")->required();
  command->add_option("--seed", flags->seed, "Another seed gives other weights")
      ->capture_default_str();
  command->add_flag("--force", flags->force, "Replace the file if it exists");
  command->callback([flags, &status] { status = Synth(*flags); });
}

}  // namespace tern
