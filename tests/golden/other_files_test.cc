// SPDX-License-Identifier: MIT
// The golden models in files that Tern reads but does not write: masters in GGUF, scales apart from
// their matrices, groups of trits unpacked to numbers. Made here of the files in the tree; whatever
// the file, the results are the same bits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "formats/dense.h"
#include "formats/f16.h"
#include "formats/gguf_writer.h"
#include "formats/ternary.h"
#include "model/convert.h"
#include "tests/golden/golden.h"

namespace tern {
namespace {

using ::testing::HasSubstr;
using Bytes = std::vector<uint8_t>;

std::string FolderOf(const std::string& family) { return absl::StrCat(TERN_GOLDEN, "/", family); }

std::string TempPath(const std::string& name) {
  return absl::StrCat(::testing::TempDir(), "other_files_", getpid(), "_", name);
}

// A GGUF file in parts.
struct Parts {
  std::vector<std::pair<std::string, GgufValue>> metadata;
  std::vector<TensorInfo> tensors;
  std::vector<Bytes> data;

  void Write(const std::string& path) const {
    auto writer = GgufWriter::Create(path, metadata, tensors).value();
    for (const Bytes& bytes : data) ASSERT_TRUE(writer->Append(bytes).ok());
    ASSERT_TRUE(writer->Finish().ok());
  }
};

bool IsMatrix(const TensorInfo& tensor) {
  return tensor.shape.size() == 2 && absl::StartsWith(tensor.name, "blk.");
}

// Of a golden model as I2_S.
Parts Convert(const std::string& family) {
  const std::string path = TempPath(family);
  const auto model = ModelFile::Open(FolderOf(family)).value();
  EXPECT_TRUE(ConvertModel(*model, path, {}).ok());
  const auto file = GgufFile::Open(path).value();
  unlink(path.c_str());
  Parts parts{file->metadata(), file->tensors(), {}};
  for (const TensorInfo& tensor : parts.tensors) {
    const TensorView view = file->Find(tensor.name).value();
    parts.data.emplace_back(view.data.begin(), view.data.end());
  }
  return parts;
}

// Hugging Face's name of a matrix, without what may stand before "layers".
std::string HfName(const std::string& gguf_name) {
  return absl::StrReplaceAll(gguf_name, {{"blk.", "layers."},
                                         {"attn_q_norm", "self_attn.q_norm"},
                                         {"attn_k_norm", "self_attn.k_norm"},
                                         {"attn_output.", "self_attn.o_proj."},
                                         {"attn_q.", "self_attn.q_proj."},
                                         {"attn_k.", "self_attn.k_proj."},
                                         {"attn_v.", "self_attn.v_proj."},
                                         {"attn_norm", "input_layernorm"},
                                         {"ffn_norm", "post_attention_layernorm"},
                                         {"ffn_gate.", "mlp.gate_proj."},
                                         {"ffn_up.", "mlp.up_proj."},
                                         {"ffn_down.", "mlp.down_proj."},
                                         {"token_embd", "embed_tokens"},
                                         {"output_norm", "norm"}});
}

void ExpectSameBits(const std::string& family, const std::string& original,
                    const std::string& path) {
  const Golden golden(family);
  Runner found(path);
  golden.ExpectRows(found);
  const std::vector<int32_t> tokens = golden.Ints("tokens_0");
  EXPECT_TRUE(found.Run(tokens) == Runner(original).Run(tokens));
}

// --- Master weights, as converters write them with outtype f32 ---

class MastersTest : public ::testing::TestWithParam<const char*> {};

TEST_P(MastersTest, AreQuantisedFromGgufAsFromSafetensors) {
  Parts parts = Convert(GetParam());
  const auto masters = SafetensorsSet::Open(FolderOf(GetParam())).value();
  for (size_t i = 0; i < parts.tensors.size(); ++i) {
    TensorInfo& tensor = parts.tensors[i];
    if (!IsMatrix(tensor)) continue;
    const std::string name = HfName(tensor.name);
    const Safetensor* stored = masters->Find("model." + name);
    if (stored == nullptr) stored = masters->Find(name);
    ASSERT_NE(stored, nullptr) << name;
    ASSERT_EQ(stored->dtype, "BF16");
    const size_t count = tensor.cols() * tensor.rows();
    tensor.type = TensorType::kF32;
    parts.data[i].resize(count * sizeof(float));
    DecodeDense(TensorType::kBF16, stored->data.data(), count,
                reinterpret_cast<float*>(parts.data[i].data()));
  }
  const std::string path = TempPath("masters.gguf");
  parts.Write(path);
  EXPECT_THAT(ModelFile::Open(path).value()->notes(),
              ::testing::Contains(HasSubstr("made ternary as they are read")));
  ExpectSameBits(GetParam(), FolderOf(GetParam()), path);
  unlink(path.c_str());
}

INSTANTIATE_TEST_SUITE_P(Families, MastersTest,
                         ::testing::Values("bitnet_b158_online", "bitnet_large", "qwen3_embedding",
                                           "gemma3_embedding"),
                         [](const auto& test) { return std::string(test.param); });

// --- The first files of 2B4T: another name, and the embedding once more as a head ---

TEST(FirstFilesTest, AreTheSameModel) {
  Parts parts = Convert("bitnet_b158");
  for (auto& [key, value] : parts.metadata) {
    if (key == "general.architecture") value.value = std::string("bitnet-25");
    key = absl::StrReplaceAll(key, {{"bitnet-b1.58.", "bitnet-25."}});
  }
  const auto embedding = std::find_if(parts.tensors.begin(), parts.tensors.end(),
                                      [](const auto& t) { return t.name == "token_embd.weight"; });
  ASSERT_NE(embedding, parts.tensors.end());
  TensorInfo head = *embedding;
  head.name = "output.weight";
  parts.data.push_back(parts.data[static_cast<size_t>(embedding - parts.tensors.begin())]);
  parts.tensors.push_back(head);
  const std::string path = TempPath("first.gguf");
  parts.Write(path);
  EXPECT_EQ(ModelFile::Open(path).value()->config().architecture, "bitnet-25");
  ExpectSameBits("bitnet_b158", FolderOf("bitnet_b158"), path);
  unlink(path.c_str());
}

// --- I2_S as other programs have written it ---

// Codes of the canonical layout, one a weight.
std::vector<uint8_t> Codes(const TensorInfo& tensor, const Bytes& data) {
  std::vector<int8_t> trits(tensor.rows() * tensor.cols());
  std::vector<float> scales(tensor.rows());
  EXPECT_TRUE(UnpackTernary({tensor, data}, 0, tensor.rows(), {trits.data(), scales.data()}).ok());
  std::vector<uint8_t> codes;
  for (const int8_t trit : trits) codes.push_back(static_cast<uint8_t>(trit + 1));
  return codes;
}

// Byte by byte, four weights that lie `step` apart in each run of 4 * step.
void PackInSteps(const std::vector<uint8_t>& codes, size_t step, Bytes& data) {
  for (size_t i = 0; i < codes.size() / 4; ++i) {
    const uint8_t* first = codes.data() + i / step * 4 * step + i % step;
    data[i] = static_cast<uint8_t>(first[0] << 6 | first[step] << 4 | first[2 * step] << 2 |
                                   first[3 * step]);
  }
}

class DialectTest : public ::testing::TestWithParam<I2SDialect> {};

TEST_P(DialectTest, IsConvertedWhenTold) {
  Parts parts = Convert("bitnet_b158");
  for (size_t i = 0; i < parts.tensors.size(); ++i) {
    const TensorInfo& tensor = parts.tensors[i];
    if (!IsMatrix(tensor)) continue;
    // 16 apart in blocks of 64, or the same column of four rows.
    PackInSteps(Codes(tensor, parts.data[i]), GetParam() == I2SDialect::kArm64 ? 16 : tensor.cols(),
                parts.data[i]);
  }
  const std::string foreign = TempPath("foreign.gguf"), path = TempPath("canonical.gguf");
  parts.Write(foreign);
  const auto model = ModelFile::Open(foreign, {.dialect = GetParam()}).value();
  ASSERT_TRUE(ConvertModel(*model, path, {}).ok());
  ExpectSameBits("bitnet_b158", FolderOf("bitnet_b158"), path);

  // Without being told there is no error, but another model.
  const std::vector<int32_t> tokens = Golden("bitnet_b158").Ints("tokens_0");
  EXPECT_FALSE(Runner(foreign).Run(tokens) == Runner(path).Run(tokens));
  unlink(foreign.c_str());
  unlink(path.c_str());
}

INSTANTIATE_TEST_SUITE_P(All, DialectTest,
                         ::testing::Values(I2SDialect::kArm64, I2SDialect::kFourRows),
                         [](const auto& test) {
                           return test.param == I2SDialect::kArm64 ? "Arm64" : "FourRows";
                         });

// --- Scales apart, as llama.cpp has them for architecture `bitnet` ---

TEST(ScalesApartTest, MultiplyTheirMatrix) {
  Parts parts = Convert("bitnet_b158");
  for (size_t i = 0, count = parts.tensors.size(); i < count; ++i) {
    TensorInfo& tensor = parts.tensors[i];
    if (!IsMatrix(tensor)) continue;
    const uint64_t rows = tensor.rows(), cols = tensor.cols();
    std::vector<int8_t> trits(rows * cols);
    std::vector<float> scales(rows);
    ASSERT_TRUE(
        UnpackTernary({tensor, parts.data[i]}, 0, rows, {trits.data(), scales.data()}).ok());
    const std::vector<float> ones(rows * cols / 256, 1);
    tensor.type = TensorType::kTQ2_0;
    parts.data[i].resize(TensorBytes(tensor.type, tensor.shape).value());
    ASSERT_TRUE(
        PackTernary(tensor.type, rows, cols, trits.data(), ones.data(), parts.data[i]).ok());
    const auto* scale = reinterpret_cast<const uint8_t*>(scales.data());
    const std::string name = absl::StrCat(absl::StripSuffix(tensor.name, ".weight"), ".scale");
    parts.tensors.push_back({name, TensorType::kF32, {1}, sizeof(float)});
    parts.data.emplace_back(scale, scale + sizeof(float));
  }
  const std::string path = TempPath("scales.gguf");
  parts.Write(path);
  ExpectSameBits("bitnet_b158", FolderOf("bitnet_b158"), path);

  parts.data.back().assign({0, 0, 0xc0, 0x7f});  // not a number
  parts.Write(path);
  const auto model = ModelFile::Open(path);
  const absl::Status status =
      model.ok() ? (*model)->tensors().Find("blk.1.ffn_down.weight").status() : model.status();
  unlink(path.c_str());
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr(".scale: want one finite number"));
}

// --- Ternary-Bonsai's unpacked directories: each weight a number ---

// Every tensor of a GGUF file as F16, or F32 where it is that.
void WriteUnpacked(const GgufFile& file, const std::string& folder) {
  nlohmann::json header;
  std::string data;
  for (const TensorInfo& tensor : file.tensors()) {
    const TensorView view = file.Find(tensor.name).value();
    const size_t begin = data.size();
    if (!IsTernary(tensor.type)) {
      data.append(reinterpret_cast<const char*>(view.data.data()), view.data.size());
    } else {
      const uint64_t rows = tensor.rows(), cols = tensor.cols(),
                     group = ScaleCols(tensor.type, cols);
      std::vector<int8_t> trits(rows * cols);
      std::vector<float> scales(rows * cols / group);
      ASSERT_TRUE(UnpackTernary(view, 0, rows, {trits.data(), scales.data()}).ok());
      for (size_t i = 0; i < trits.size(); ++i) {
        const uint16_t weight = FloatToF16(static_cast<float>(trits[i]) * scales[i / group]);
        data.append(reinterpret_cast<const char*>(&weight), sizeof(weight));
      }
    }
    header["model." + HfName(tensor.name)] = {
        {"dtype", IsTernary(tensor.type) ? "F16" : "F32"},
        {"shape", std::vector<uint64_t>(tensor.shape.rbegin(), tensor.shape.rend())},
        {"data_offsets", {begin, data.size()}}};
  }
  const std::string text = header.dump();
  const uint64_t length = text.size();
  std::ofstream out(folder + "/model.safetensors", std::ios::binary);
  out.write(reinterpret_cast<const char*>(&length), sizeof(length)) << text << data;
}

TEST(UnpackedTest, GroupsAreFoundAgain) {
  const std::string folder = TempPath("bonsai");
  std::filesystem::create_directory(folder);
  const std::string original = FolderOf("bonsai/model.gguf");
  WriteUnpacked(*GgufFile::Open(original).value(), folder);
  std::ofstream(folder + "/config.json") << nlohmann::json{{"architectures", {"Qwen3ForCausalLM"}},
                                                           {"model_type", "qwen3"},
                                                           {"head_dim", 64},
                                                           {"hidden_act", "silu"},
                                                           {"hidden_size", 256},
                                                           {"intermediate_size", 256},
                                                           {"max_position_embeddings", 256},
                                                           {"num_attention_heads", 4},
                                                           {"num_hidden_layers", 2},
                                                           {"num_key_value_heads", 2},
                                                           {"rms_norm_eps", 1e-6},
                                                           {"rope_theta", 1e6},
                                                           {"tie_word_embeddings", true},
                                                           {"vocab_size", 320}};
  const auto model = ModelFile::Open(folder);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT((*model)->notes(), ::testing::Contains(HasSubstr("one scale for each 128 columns")));
  ExpectSameBits("bonsai", original, folder);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace tern
