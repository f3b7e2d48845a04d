// SPDX-License-Identifier: MIT
// A tiny model as it runs, and what its reference computes: the gate of README.md.
#ifndef TERN_TESTS_GOLDEN_GOLDEN_H_
#define TERN_TESTS_GOLDEN_GOLDEN_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "formats/safetensors.h"
#include "kernels/registry.h"
#include "model/model_file.h"
#include "model/transformer.h"

namespace tern {

// The gate. Rows that do not move under a jitter of the reference are held to its precision; in the
// others some activation may round to the other int8 neighbour, which spreads.
inline constexpr double kStableError = 1e-4;
inline constexpr double kAnyError = 7e-2;
inline constexpr double kLeastCosine = 0.997;

template <typename T>
std::vector<T> Values(const Safetensor& tensor) {
  std::vector<T> values(tensor.data.size() / sizeof(T));
  std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
  return values;
}

// A loaded model that computes logits, or normalised vectors, of whole sequences.
class Runner {
 public:
  explicit Runner(const std::string& path, const std::string& isa = "")
      : file_(ModelFile::Open(path).value()),
        pool_(ThreadPool::Create({.threads = 2, .cpus = {}}).value()),
        model_(Transformer::Load(config(), {0, config().layers}, file_->tensors(),
                                 ChooseKernels(isa).value(), pool_.get())
                   .value()) {}

  const ModelConfig& config() const { return file_->config(); }
  const ModelFile& file() const { return *file_; }
  size_t width() const { return config().has_head ? config().vocab : config().dim; }

  // [tokens, width]
  std::vector<float> Run(const std::vector<int32_t>& tokens) {
    const uint32_t rows = static_cast<uint32_t>(tokens.size());
    KvCache cache =
        KvCache::Create(config(), config().layers, KvPagesFor(rows), KvType::kF32).value();
    cache.AppendAll(0);
    std::vector<float> hidden(rows * config().dim), out(rows * width());
    model_->Embed(tokens, hidden.data());
    const SequenceRows batch = {0, 0, rows};
    EXPECT_TRUE(model_->Forward({&batch, 1}, cache, hidden.data()).ok());
    if (config().has_head) {
      model_->Logits(hidden, out.data());
    } else {
      model_->OutputNorm(hidden, out.data());
      for (uint32_t row = 0; row < rows; ++row) Normalise(out.data() + row * width());
    }
    return out;
  }

 private:
  void Normalise(float* row) const {
    double power = 0;
    for (size_t i = 0; i < width(); ++i) power += static_cast<double>(row[i]) * row[i];
    for (size_t i = 0; i < width(); ++i) row[i] /= static_cast<float>(std::sqrt(power));
  }

  std::unique_ptr<ModelFile> file_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<Transformer> model_;
};

struct Difference {
  double error = 0;  // largest, relative to the reference's largest number
  double cosine = 0;
};

inline Difference Compare(const float* found, const float* want, size_t width) {
  double error = 0, most = 0, dot = 0, found_power = 0, want_power = 0;
  for (size_t i = 0; i < width; ++i) {
    error = std::max(error, std::fabs(static_cast<double>(found[i]) - want[i]));
    most = std::max(most, std::fabs(static_cast<double>(want[i])));
    dot += static_cast<double>(found[i]) * want[i];
    found_power += static_cast<double>(found[i]) * found[i];
    want_power += static_cast<double>(want[i]) * want[i];
  }
  return {error / most, dot / std::sqrt(found_power * want_power)};
}

class Golden {
 public:
  explicit Golden(const std::string& family)
      : file_(SafetensorsFile::Open(absl::StrCat(TERN_GOLDEN, "/", family, "/golden.safetensors"))
                  .value()) {}

  const Safetensor* Find(const std::string& name) const {
    for (const Safetensor& tensor : file_->tensors()) {
      if (tensor.name == name) return &tensor;
    }
    return nullptr;
  }
  std::vector<int32_t> Ints(const std::string& name) const { return Values<int32_t>(*Find(name)); }

  // `stable_error`: of stable rows.
  void ExpectRows(Runner& runner, double stable_error = kStableError) const {
    int stable_rows = 0;
    for (int k = 0; Find(absl::StrCat("tokens_", k)) != nullptr; ++k) {
      const std::vector<int32_t> tokens = Ints(absl::StrCat("tokens_", k));
      const auto want = Values<float>(*Find(absl::StrCat("logits_", k)));
      const auto stable = Values<uint8_t>(*Find(absl::StrCat("stable_", k)));
      const std::vector<float> found = runner.Run(tokens);
      const size_t width = runner.width();
      ASSERT_EQ(found.size(), want.size());
      for (size_t row = 0; row < tokens.size(); ++row) {
        const Difference d = Compare(&found[row * width], &want[row * width], width);
        EXPECT_LT(d.error, stable[row] != 0 ? stable_error : kAnyError) << k << ", row " << row;
        EXPECT_GE(d.cosine, kLeastCosine) << k << ", row " << row;
        stable_rows += stable[row];
      }
    }
    EXPECT_GE(stable_rows, 6);
  }

  void ExpectGreedy(Runner& runner) const {
    if (!runner.config().has_head) return;
    std::vector<int32_t> tokens = Ints("greedy_prompt");
    const std::vector<int32_t> want = Ints("greedy");
    ASSERT_EQ(want.size(), 16u);
    for (const int32_t token : want) {
      const std::vector<float> logits = runner.Run(tokens);
      const auto last = logits.end() - static_cast<ptrdiff_t>(runner.width());
      ASSERT_EQ(std::max_element(last, logits.end()) - last, token)
          << "after " << tokens.size() << " tokens";
      tokens.push_back(token);
    }
  }

 private:
  std::unique_ptr<SafetensorsFile> file_;
};

}  // namespace tern

#endif  // TERN_TESTS_GOLDEN_GOLDEN_H_
