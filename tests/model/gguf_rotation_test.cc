// SPDX-License-Identifier: MIT
// What prism.hadamard.* says is applied or refused: to ignore any of it would give fluent nonsense.
// (That it is applied right is golden/golden, bonsai_rotated.)
#include "model/gguf_rotation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "formats/gguf_writer.h"

namespace tern {
namespace {

using ::testing::HasSubstr;
using Metadata = std::vector<std::pair<std::string, GgufValue>>;

Rotation Example() {
  Rotation rotation;
  rotation.block_cols = 4;
  rotation.signs[4] = {1, -1, 1, 1};
  rotation.signs[8] = {-1, -1, 1, 1, -1, 1, 1, 1};
  rotation.weights = {"blk.0.attn_q.weight"};
  rotation.embedding = true;
  return rotation;
}

Metadata ExampleKeys() {
  Metadata keys;
  AppendRotation(Example(), keys);
  return keys;
}

absl::StatusOr<Rotation> Read(const Metadata& keys) {
  const std::string path = absl::StrCat(::testing::TempDir(), "rotation_", getpid(), ".gguf");
  auto writer =
      GgufWriter::Create(path, keys, {{"blk.0.attn_q.weight", TensorType::kF32, {8}, 0}}).value();
  EXPECT_TRUE(writer->Append(std::vector<uint8_t>(32)).ok());
  EXPECT_TRUE(writer->Finish().ok());
  const auto file = GgufFile::Open(path).value();
  unlink(path.c_str());
  return ReadRotation(*file);
}

TEST(GgufRotationTest, ComesBackAsItWas) {
  EXPECT_TRUE(Read(ExampleKeys()).value() == Example());
  EXPECT_EQ(Read({{"general.name", GgufValue{std::string("plain")}}})->block_cols, 0u);
}

TEST(GgufRotationTest, RefusesWhatItDoesNotApply) {
  using Ints = std::vector<int64_t>;
  using Names = std::vector<std::string>;
  const auto text = [](const char* value) { return GgufValue{std::string(value)}; };
  const auto ints = [](Ints values) { return GgufValue{GgufArray(std::move(values))}; };
  const auto names = [](Names values) { return GgufValue{GgufArray(std::move(values))}; };
  const std::tuple<const char*, GgufValue, const char*> cases[] = {
      {"angle", text("x"), "prism.hadamard.angle: this build does not know this key"},
      {"version", GgufValue{uint64_t{2}}, "version: found 2, this build applies 1"},
      {"transform", text("dct"), "transform: found dct, this build applies normalized-sylvester"},
      {"axis", text("output"), "axis: found output, this build applies input-last-dimension"},
      {"block_size", GgufValue{uint64_t{96}}, "block_size: found 96, want a power of two"},
      {"sign_mode", text("seeded"), "sign_mode: found seeded, this build applies identity"},
      {"sign_widths", ints({4, 16}), "sign_values: found 8 values for a width of 16"},
      {"sign_widths", ints({4, -1}), "found 8 values for a width of -1"},
      {"sign_widths", ints({4}), "sign_values: found 12 values, want 4"},
      {"sign_widths", ints({4, 4, 4}), "sign_widths: found 4 twice"},
      {"sign_values", ints(Ints(12, 2)), "sign_values: found 2, want -1 or 1"},
      {"weight_names", names({"blk.0.attn_k.weight"}),
       "weight_names: found blk.0.attn_k.weight, which is no tensor"},
      {"inverse_weight_names", names({"output.weight"}),
       "inverse_weight_names: found output.weight, this build applies token_embd.weight"},
  };
  for (const auto& [key, value, error] : cases) {
    const std::string full = absl::StrCat("prism.hadamard.", key);
    Metadata keys = ExampleKeys();
    std::erase_if(keys, [&](const auto& entry) { return entry.first == full; });
    keys.emplace_back(full, value);
    const absl::Status status = Read(keys).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status) || absl::IsDataLoss(status)) << status;
    EXPECT_THAT(status.message(), HasSubstr(error));
  }
  for (const char* key : {"version", "block_size", "weight_names", "sign_values"}) {
    Metadata keys = ExampleKeys();
    std::erase_if(keys, [&](const auto& entry) {
      return absl::StrCat("prism.hadamard.", key) == entry.first;
    });
    EXPECT_THAT(Read(keys).status().message(), HasSubstr(absl::StrCat("prism.hadamard.", key)));
  }
}

}  // namespace
}  // namespace tern
