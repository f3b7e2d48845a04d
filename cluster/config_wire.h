// SPDX-License-Identifier: MIT
// A model's shape to and from protobuf.
#ifndef TERN_CLUSTER_CONFIG_WIRE_H_
#define TERN_CLUSTER_CONFIG_WIRE_H_

#include "absl/status/statusor.h"
#include "model/config.h"
#include "proto/cluster.pb.h"

namespace tern {

void FillConfig(const ModelConfig& from, v1::Config& to);

// INVALID_ARGUMENT, naming the field, for what Validate refuses, numbers that stand for nothing,
// and text that cannot be printed.
absl::StatusOr<ModelConfig> ParseConfig(const v1::Config& proto);

}  // namespace tern

#endif  // TERN_CLUSTER_CONFIG_WIRE_H_
