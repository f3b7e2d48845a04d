// SPDX-License-Identifier: MIT
// ReadModelConfig on a complete model and on models with one thing wrong.
#include "model/gguf_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "kernels/i2s.h"
#include "model/synth.h"

namespace tern {
namespace {

using ::testing::HasSubstr;

std::string TempPath(const char* name) {
  return absl::StrCat(::testing::TempDir(), "/gguf_config_", getpid(), "_", name, ".gguf");
}

// A model taken apart, to be changed and put together again.
struct Parts {
  std::vector<std::pair<std::string, GgufValue>> metadata;
  std::vector<TensorInfo> tensors;
  std::vector<std::vector<uint8_t>> data;

  GgufValue& Key(const std::string& key) {
    for (auto& [name, value] : metadata) {
      if (name == key) return value;
    }
    return metadata.emplace_back(key, GgufValue{}).second;
  }
  void DropKey(const std::string& key) {
    std::erase_if(metadata, [&](const auto& entry) { return entry.first == key; });
  }
  size_t Tensor(const std::string& name) {
    size_t i = 0;
    while (tensors[i].name != name) ++i;
    return i;
  }
};

ModelConfig OneLayer() {
  ModelConfig config = SyntheticShape("tiny").value();
  config.layers = 1;
  return config;
}

Parts TakeApart() {
  const std::string path = TempPath("whole");
  EXPECT_TRUE(WriteSyntheticModel(OneLayer(), path, 1).ok());
  const auto file = GgufFile::Open(path).value();
  Parts parts{file->metadata(), file->tensors(), {}};
  for (const TensorInfo& info : parts.tensors) {
    const TensorView view = file->Find(info.name).value();
    parts.data.emplace_back(view.data.begin(), view.data.end());
  }
  unlink(path.c_str());
  return parts;
}

void PutTogether(const Parts& parts, const std::string& path) {
  auto writer = GgufWriter::Create(path, parts.metadata, parts.tensors).value();
  for (const std::vector<uint8_t>& data : parts.data) EXPECT_TRUE(writer->Append(data).ok());
  EXPECT_TRUE(writer->Finish().ok());
}

absl::StatusOr<ModelConfig> PutTogetherAndRead(const Parts& parts) {
  const std::string path = TempPath("changed");
  PutTogether(parts, path);
  const auto file = GgufFile::Open(path).value();
  unlink(path.c_str());
  return ReadModelConfig(*file, *file);
}

TEST(ReadModelConfigTest, ReadsACompleteModel) {
  EXPECT_EQ(PutTogetherAndRead(TakeApart()).value(), OneLayer());
}

TEST(ReadModelConfigTest, FillsInWhatOfficialFilesMayLeaveOut) {
  Parts parts = TakeApart();
  parts.DropKey("bitnet-b1.58.vocab_size");
  parts.DropKey("bitnet-b1.58.rope.dimension_count");
  parts.DropKey("general.name");
  ModelConfig want = OneLayer();
  want.name.clear();
  EXPECT_EQ(PutTogetherAndRead(parts).value(), want);
}

// bitnet.cpp multiplies by token_embd even where a file repeats it as output.
TEST(ReadModelConfigTest, IgnoresARepeatedHead) {
  Parts parts = TakeApart();
  TensorInfo head = parts.tensors[parts.Tensor("token_embd.weight")];
  head.name = "output.weight";
  parts.tensors.push_back(head);
  parts.data.emplace_back(head.bytes);
  EXPECT_EQ(PutTogetherAndRead(parts).value(), OneLayer());
}

struct Fault {
  const char* name;
  absl::StatusCode code;
  std::function<void(Parts&)> change;
  const char* error;
};

void SetScale(Parts& parts, const char* tensor, float scale) {
  std::vector<uint8_t>& data = parts.data[parts.Tensor(tensor)];
  std::memcpy(data.data() + data.size() - kI2STailBytes, &scale, sizeof(scale));
}

std::vector<Fault> Faults() {
  using P = Parts;
  constexpr auto kDataLoss = absl::StatusCode::kDataLoss;
  constexpr auto kRefused = absl::StatusCode::kFailedPrecondition;
  return {
      {"NoArchitecture", kDataLoss, [](P& p) { p.DropKey("general.architecture"); },
       "no metadata key general.architecture"},
      {"OtherArchitecture", kRefused,
       [](P& p) { p.Key("general.architecture").value = std::string("qwen35"); },
       "architecture: found qwen35, this build runs bitnet-b1.58"},
      {"NoDim", kDataLoss, [](P& p) { p.DropKey("bitnet-b1.58.embedding_length"); },
       "no metadata key bitnet-b1.58.embedding_length"},
      {"NoEps", kDataLoss, [](P& p) { p.DropKey("bitnet-b1.58.attention.layer_norm_rms_epsilon"); },
       "no metadata key bitnet-b1.58.attention.layer_norm_rms_epsilon"},
      {"WideKey", kDataLoss,
       [](P& p) { p.Key("bitnet-b1.58.block_count").value = uint64_t{1} << 32; },
       "block_count: found 4294967296, want at most 4294967295"},
      {"ZeroHeads", kDataLoss,
       [](P& p) { p.Key("bitnet-b1.58.attention.head_count").value = uint64_t{0}; },
       "heads: found 0"},
      {"MoreLayersThanTensors", kDataLoss,
       [](P& p) { p.Key("bitnet-b1.58.block_count").value = uint64_t{2}; },
       "no tensor blk.1.attn_norm.weight"},
      {"PartialRope", kRefused,
       [](P& p) { p.Key("bitnet-b1.58.rope.dimension_count").value = uint64_t{16}; },
       "rope.dimension_count: found 16, this build runs 32, the whole head"},
      {"RopeScaling", kRefused,
       [](P& p) { p.Key("bitnet-b1.58.rope.scaling.type").value = std::string("longrope"); },
       "rope.scaling.type: found longrope, this build runs none"},
      {"Activation", kRefused,
       [](P& p) { p.Key("bitnet-b1.58.hidden_activation").value = std::string("swish"); },
       "hidden_activation: found swish, this build runs relu2"},
      {"MoreTokensThanRows", kDataLoss,
       [](P& p) { p.Key("bitnet-b1.58.vocab_size").value = uint64_t{511}; },
       "found 512 tokens, want at most vocab_size, 511"},
      {"FewerRows", kDataLoss, [](P& p) { p.Key("bitnet-b1.58.vocab_size").value = uint64_t{513}; },
       "tensor token_embd.weight: found F16 [128, 512], want F16 [128, 513]"},
      {"TensorType", kDataLoss,
       [](P& p) {
         const size_t i = p.Tensor("blk.0.attn_q.weight");
         p.tensors[i].type = TensorType::kF16;
         p.data[i].resize(128 * 128 * 2);
       },
       "tensor blk.0.attn_q.weight: found F16 [128, 128], want a ternary type [128, 128]"},
      {"NotANumberScale", kDataLoss, [](P& p) { SetScale(p, "blk.0.ffn_up.weight", NAN); },
       "tensor blk.0.ffn_up.weight: found scale nan, want a finite number"},
      {"InfiniteScale", kDataLoss, [](P& p) { SetScale(p, "blk.0.attn_k.weight", INFINITY); },
       "found scale inf"},
  };
}

class ReadModelConfigFaultTest : public ::testing::TestWithParam<Fault> {};

TEST_P(ReadModelConfigFaultTest, IsNamed) {
  Parts parts = TakeApart();
  GetParam().change(parts);
  const absl::Status status = PutTogetherAndRead(parts).status();
  EXPECT_EQ(status.code(), GetParam().code) << status;
  EXPECT_THAT(status.message(), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(All, ReadModelConfigFaultTest, ::testing::ValuesIn(Faults()),
                         [](const auto& test) { return test.param.name; });

// A matrix of a type whose bytes nobody can read without the program that wrote it.
TEST(ReadModelConfigTest, RefusesLookupTablesAndSaysTheWayOut) {
  const std::string path = TempPath("tables");
  const std::string name = "blk.0.attn_q.weight";
  PutTogether(TakeApart(), path);
  std::ifstream in(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  unlink(path.c_str());
  const size_t type = bytes.find(name) + name.size() + 4 + 2 * 8;  // after count and extents
  ASSERT_EQ(bytes[type], 36);
  for (const auto& [number, said] : {std::pair{38, "type TL1 (38)"}, {39, "type TL2 (39)"}}) {
    bytes[type] = static_cast<char>(number);
    const auto file =
        GgufFile::Parse({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "t.gguf")
            .value();
    const absl::Status status = ReadModelConfig(*file, *file).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(status.message(), HasSubstr("t.gguf"));
    EXPECT_THAT(status.message(), HasSubstr(name));
    EXPECT_THAT(status.message(), HasSubstr(said));
    EXPECT_THAT(status.message(), HasSubstr("its bytes depend on tile sizes"));
    EXPECT_THAT(status.message(),
                HasSubstr("convert the Hugging Face directory with tern convert"));
  }
}

TEST(ReadModelConfigTest, MissesEveryTensor) {
  const Parts whole = TakeApart();
  for (size_t i = 0; i < whole.tensors.size(); ++i) {
    Parts parts = whole;
    parts.tensors.erase(parts.tensors.begin() + static_cast<ptrdiff_t>(i));
    parts.data.erase(parts.data.begin() + static_cast<ptrdiff_t>(i));
    const absl::Status status = PutTogetherAndRead(parts).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(status.message(), HasSubstr(absl::StrCat("no tensor ", whole.tensors[i].name)));
  }
}

}  // namespace
}  // namespace tern
