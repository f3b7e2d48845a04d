// SPDX-License-Identifier: MIT
// `tern convert`: writes a model as a GGUF file.
#include "model/convert.h"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "tools/choices.h"
#include "tools/commands.h"
#include "tools/progress.h"

namespace tern {
namespace {

struct ConvertFlags {
  std::string source;
  std::string destination;
  std::optional<TensorType> type;
  std::optional<TensorType> head;
  I2SDialect dialect = I2SDialect::kCanonical;
};

absl::Status Convert(const ConvertFlags& flags) {
  std::error_code ignored;
  if (std::filesystem::equivalent(flags.source, flags.destination, ignored)) {
    return absl::InvalidArgumentError(
        absl::StrCat("destination: found ", flags.destination, ", which is the source"));
  }
  TERN_ASSIGN_OR_RETURN(const std::unique_ptr<ModelFile> model,
                        ModelFile::Open(flags.source, {.dialect = flags.dialect}));
  for (const std::string& note : model->notes()) std::fprintf(stderr, "note: %s\n", note.c_str());
  ProgressBar bar("converting");
  const ConvertOptions options = {.type = flags.type,
                                  .head = flags.head,
                                  .progress = [&bar](float share) { bar.Update(share); }};
  TERN_ASSIGN_OR_RETURN(const std::vector<std::string> notes,
                        ConvertModel(*model, flags.destination, options));
  for (const std::string& note : notes) std::fprintf(stderr, "note: %s\n", note.c_str());
  std::printf("%s: written and read back\n", flags.destination.c_str());
  return absl::OkStatus();
}

}  // namespace

void AddConvert(CLI::App& app, absl::Status& status) {
  auto flags = std::make_shared<ConvertFlags>();
  CLI::App* command = app.add_subcommand("convert", "Write a model as a GGUF file");
  command->add_option("source", flags->source, "GGUF file or Hugging Face directory")->required();
  command->add_option("destination", flags->destination, "GGUF file to write")->required();
  const Choices<TensorType> types = {{"i2_s", TensorType::kI2S},
                                     {"tq1_0", TensorType::kTQ1_0},
                                     {"tq2_0", TensorType::kTQ2_0},
                                     {"q2_0", TensorType::kQ2_0},
                                     {"iq2_bn", TensorType::kIQ2BN}};
  AddChoice(*command, "--type", flags->type, types,
            "Of the ternary matrices; default: i2_s, or as they are where groups of columns have "
            "scales of their own");
  const Choices<TensorType> heads = {{"f16", TensorType::kF16},
                                     {"bf16", TensorType::kBF16},
                                     {"q8_0", TensorType::kQ8_0},
                                     {"q6_k", TensorType::kQ6K}};
  AddChoice(*command, "--head", flags->head, heads, "Of the head; default: as it is");
  const Choices<I2SDialect> dialects = {{"canonical", I2SDialect::kCanonical},
                                        {"arm64", I2SDialect::kArm64},
                                        {"four-rows", I2SDialect::kFourRows}};
  AddChoice(*command, "--assume-dialect", flags->dialect, dialects,
            "Read I2_S as another program wrote it: the bytes cannot tell, and a wrong guess gives "
            "a model that talks nonsense (docs/tensors.md)");
  command->callback([flags, &status] { status = Convert(*flags); });
}

}  // namespace tern
