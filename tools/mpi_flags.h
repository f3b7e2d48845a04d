// SPDX-License-Identifier: MIT
// The command line of `tern-mpi`.
#ifndef TERN_TOOLS_MPI_FLAGS_H_
#define TERN_TOOLS_MPI_FLAGS_H_

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

#include "model/kv_cache.h"
#include "tools/generation_flags.h"

namespace tern {

struct MpiFlags {
  std::string model;
  std::string input = "-";
  std::string output = "-";
  bool overwrite = false;
  bool token_ids = false;
  std::string chat_template;
  GenerationFlags generation;

  size_t replicas = 0;
  bool use_all = false;
  bool plan_only = false;
  uint32_t in_flight = 256;
  KvType kv = KvType::kF16;
  uint32_t context = 0;
  uint64_t kv_tokens = 0;
  uint32_t max_rows = 256;
  uint32_t prefill_chunk = 64;

  size_t threads = 0;
  std::string cpuset = "auto";
  uint64_t memory_bytes = 0;
  std::string kernel;
  bool measure = false;  // the machine again, even if its speed is remembered
  double start_seconds = 300;
  bool bench_hop = false;
  std::string report;
};

void AddMpiFlags(CLI::App& app, MpiFlags& flags);

}  // namespace tern

#endif  // TERN_TOOLS_MPI_FLAGS_H_
