// SPDX-License-Identifier: MIT
// Models and workers for the tests of partition/.
#ifndef TERN_TESTS_PARTITION_RANDOM_CLUSTER_H_
#define TERN_TESTS_PARTITION_RANDOM_CLUSTER_H_

#include <cstdint>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/config.h"
#include "partition/cost_model.h"
#include "partition/worker_profile.h"
#include "tests/support/worker_speed.h"

namespace tern {

inline constexpr uint64_t kGiB = uint64_t{1} << 30;

// BitNet-b1.58-2B-4T's shape, but for the layers.
inline ModelConfig BitNet2B(uint32_t layers) {
  ModelConfig config;
  config.architecture = "bitnet-b1.58";
  config.vocab = 128256;
  config.dim = 2560;
  config.ffn_dim = 6912;
  config.layers = layers;
  config.heads = 20;
  config.kv_heads = 5;
  config.head_dim = 128;
  config.context = 4096;
  config.rope_theta = 500000;
  config.norm_eps = 1e-5f;
  return config;
}

// A head that hardly counts.
inline ModelConfig SmallHead(uint32_t layers) {
  ModelConfig config = BitNet2B(layers);
  config.vocab = 512;
  return config;
}

// Speeds in 1e9 weights a second; links that hide behind computing.
inline ClusterProfile ClusterOf(const std::vector<double>& speeds,
                                uint64_t memory_bytes = 64 * kGiB) {
  ClusterProfile cluster;
  for (const double speed : speeds) {
    cluster.workers.push_back({absl::StrCat("w", cluster.workers.size()), memory_bytes,
                               SpeedOf(speed * 1e9), FastLink()});
  }
  return cluster;
}

// In [low, high), the same on every machine.
inline double Uniform(std::mt19937& rng, double low, double high) {
  return low + (high - low) * static_cast<double>(rng()) / 4294967296.0;
}

// A small model of up to `most_layers` layers, of any family's features that cost something.
inline ModelConfig RandomShape(std::mt19937& rng, uint32_t most_layers) {
  ModelConfig config = BitNet2B(1 + rng() % most_layers);
  config.dim = 256;
  config.ffn_dim = 512;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_dim = 64;
  config.context = 256;
  config.vocab = 1 + rng() % 8000;
  config.tied_head = rng() % 2 == 0;
  if (rng() % 4 == 0) {
    config.sliding_window = 64;
    config.sliding_pattern = 2;
  }
  return config;
}

// Workers of which some are alike, whose memory may be scarce and whose links may be slow.
inline ClusterProfile RandomCluster(std::mt19937& rng, const ModelConfig& config, size_t workers) {
  ClusterProfile cluster;
  const double whole = static_cast<double>(WeightBytes(config, {0, config.layers}) +
                                           KvPagesFor(config.context) *
                                               KvPageBytes(config, config.layers, KvType::kF16));
  const double slow_link = rng() % 3 == 0 ? 1e6 : 1e9;
  while (cluster.workers.size() < workers) {
    if (!cluster.workers.empty() && rng() % 3 == 0) {
      cluster.workers.push_back(cluster.workers[rng() % cluster.workers.size()]);
    } else {
      cluster.workers.push_back({"",
                                 static_cast<uint64_t>(whole * Uniform(rng, 0.1, 1.6)),
                                 SpeedOf(Uniform(rng, 0.2e9, 4e9)),
                                 {slow_link * Uniform(rng, 0.1, 10), Uniform(rng, 0, 3e-3)}});
      if (rng() % 2 == 0) cluster.workers.back().link = cluster.workers.front().link;
    }
    cluster.workers.back().name = absl::StrCat("w", cluster.workers.size() - 1);
  }
  if (workers > 1 && rng() % 4 == 0) {
    const size_t from = rng() % workers;
    cluster.pairs.push_back({from,
                             (from + 1 + rng() % (workers - 1)) % workers,
                             {Uniform(rng, 1e5, 1e9), Uniform(rng, 0, 5e-3)}});
  }
  return cluster;
}

}  // namespace tern

#endif  // TERN_TESTS_PARTITION_RANDOM_CLUSTER_H_
