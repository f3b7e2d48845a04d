// SPDX-License-Identifier: MIT
// Converting holds about one tensor: 1 GB of masters, nearly all of them a hole in the file, become
// a GGUF file while the process may not have more memory of its own than the largest of them.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "formats/ternary.h"
#include "model/convert.h"
#include "model/model_file.h"

namespace tern {
namespace {

constexpr uint64_t kDim = 2048, kFfn = 8192, kVocab = 320, kLayers = 4;
constexpr uint64_t kLargestBytes = kDim * kFfn * sizeof(float);

// A Hugging Face directory of zeros, but for two weights of each matrix: they differ, so that it
// is no exact trits times a scale.
class SparseModel {
 public:
  explicit SparseModel(std::string folder) : folder_(std::move(folder)) {
    std::filesystem::create_directory(folder_);
    std::ofstream(folder_ + "/config.json")
        << nlohmann::json{{"architectures", {"BitnetForCausalLM"}},
                          {"model_type", "llama"},
                          {"hidden_act", "silu"},
                          {"hidden_size", kDim},
                          {"intermediate_size", kFfn},
                          {"max_position_embeddings", 64},
                          {"num_attention_heads", 32},
                          {"num_hidden_layers", kLayers},
                          {"rms_norm_eps", 1e-5},
                          {"tie_word_embeddings", true},
                          {"vocab_size", kVocab}};
    Add("model.embed_tokens.weight", {kVocab, kDim});
    Add("model.norm.weight", {kDim});
    for (uint64_t layer = 0; layer < kLayers; ++layer)
      AddLayer(absl::StrCat("model.layers.", layer));
    Write();
  }
  ~SparseModel() { std::filesystem::remove_all(folder_); }

  uint64_t bytes() const { return bytes_; }

 private:
  void AddLayer(const std::string& layer) {
    for (const char* norm :
         {"input_layernorm", "post_attention_layernorm", "self_attn.inner_attn_ln"}) {
      Add(absl::StrCat(layer, ".", norm, ".weight"), {kDim});
    }
    Add(absl::StrCat(layer, ".mlp.ffn_layernorm.weight"), {kFfn});
    for (const char* name : {"q", "k", "v", "o"}) {
      Add(absl::StrCat(layer, ".self_attn.", name, "_proj.weight"), {kDim, kDim});
    }
    Add(absl::StrCat(layer, ".mlp.gate_proj.weight"), {kFfn, kDim});
    Add(absl::StrCat(layer, ".mlp.up_proj.weight"), {kFfn, kDim});
    Add(absl::StrCat(layer, ".mlp.down_proj.weight"), {kDim, kFfn});
  }

  void Add(const std::string& name, const std::vector<uint64_t>& shape) {
    uint64_t bytes = sizeof(float);
    for (const uint64_t extent : shape) bytes *= extent;
    header_[name] = {
        {"dtype", "F32"}, {"shape", shape}, {"data_offsets", {bytes_, bytes_ + bytes}}};
    if (shape.size() == 2) matrices_.push_back(bytes_);
    bytes_ += bytes;
  }

  void Write() const {
    const std::string path = folder_ + "/model.safetensors";
    std::ofstream out(path, std::ios::binary);
    const std::string header = header_.dump();
    const uint64_t length = header.size();
    out.write(reinterpret_cast<const char*>(&length), sizeof(length)) << header;
    const uint64_t data = sizeof(length) + length;
    const float weights[] = {0.5f, -0.25f};
    for (const uint64_t matrix : matrices_) {
      out.seekp(static_cast<std::streamoff>(data + matrix));
      out.write(reinterpret_cast<const char*>(weights), sizeof(weights));
    }
    out.close();
    std::filesystem::resize_file(path, data + bytes_);
  }

  const std::string folder_;
  nlohmann::json header_;
  std::vector<uint64_t> matrices_;  // where they begin
  uint64_t bytes_ = 0;
};

// Memory of its own that the process has: not what is mapped from files.
uint64_t OwnBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmData:", 0) == 0) return std::strtoull(line.c_str() + 7, nullptr, 10) * 1024;
  }
  ADD_FAILURE() << "no VmData";
  return 0;
}

TEST(ConvertMemoryTest, HoldsAboutOneTensor) {
  const std::string base = absl::StrCat(::testing::TempDir(), "convert_memory_", getpid());
  const SparseModel sparse(base);
  ASSERT_GT(sparse.bytes(), uint64_t{1} << 30);
  const std::string path = base + ".gguf";

  rlimit old;
  ASSERT_EQ(getrlimit(RLIMIT_DATA, &old), 0);
  const rlimit limit = {OwnBytes() + kLargestBytes, old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &limit), 0);
  EXPECT_EQ(std::malloc(2 * kLargestBytes), nullptr) << "the limit does not hold";
  const auto model = ModelFile::Open(base);
  ASSERT_TRUE(model.ok()) << model.status();
  const auto notes = ConvertModel(**model, path, {});
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &old), 0);
  ASSERT_TRUE(notes.ok()) << notes.status();

  const auto converted = ModelFile::Open(path);
  unlink(path.c_str());
  ASSERT_TRUE(converted.ok()) << converted.status();
  const TensorView view = (*converted)->tensors().Find("blk.3.ffn_down.weight").value();
  std::vector<int8_t> trits(kFfn);
  float scale = 0;
  ASSERT_TRUE(UnpackTernary(view, 0, 1, {trits.data(), &scale}).ok());
  EXPECT_EQ(trits[0], 1);
  EXPECT_EQ(trits[1], -1);
  EXPECT_EQ(trits[2], 0);
  EXPECT_EQ(scale, 1e-5f);  // the least that absmean gives
}

}  // namespace
}  // namespace tern
