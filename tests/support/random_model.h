// SPDX-License-Identifier: MIT
// A model of random weights in memory, of any shape, as a source of tensors.
#ifndef TERN_TESTS_SUPPORT_RANDOM_MODEL_H_
#define TERN_TESTS_SUPPORT_RANDOM_MODEL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "formats/tensor.h"
#include "model/config.h"

namespace tern {

// A shape that a test runs in milliseconds: 5 layers of 256, 8 heads that share 2 key-value heads,
// a vocabulary of 99.
ModelConfig SmallConfig();

// The same weights for the same config and seed, on every machine.
class RandomModel final : public TensorSource {
 public:
  RandomModel(const ModelConfig& config, uint64_t seed);

  absl::StatusOr<TensorView> Find(absl::string_view name) const override;

  // For tests that damage a tensor. REQUIRES that it exists.
  TensorInfo& info(const std::string& name) { return tensors_.at(name).info; }
  std::vector<uint8_t>& data(const std::string& name) { return tensors_.at(name).data; }
  void Erase(const std::string& name) { tensors_.erase(name); }

 private:
  struct Tensor {
    TensorInfo info;
    std::vector<uint8_t> data;
  };
  absl::flat_hash_map<std::string, Tensor> tensors_;
};

}  // namespace tern

#endif  // TERN_TESTS_SUPPORT_RANDOM_MODEL_H_
