// SPDX-License-Identifier: MIT
// What a coordinator says of its cluster, as `tern status` and `tern top` show it.
#ifndef TERN_TOOLS_CLUSTER_STATUS_H_
#define TERN_TOOLS_CLUSTER_STATUS_H_

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "proto/cluster.grpc.pb.h"

namespace tern {

// Thread-compatible.
class StatusReader {
 public:
  // `address` is "HOST:PORT". Connects lazily. INVALID_ARGUMENT for another text.
  static absl::StatusOr<StatusReader> Create(const std::string& address);

  // UNAVAILABLE if there is no coordinator, or it does not answer within five seconds.
  absl::StatusOr<v1::GetStatusResponse> Read();

 private:
  explicit StatusReader(const std::string& address);

  std::string address_;
  std::unique_ptr<v1::Cluster::Stub> stub_;
};

std::string ToText(const v1::GetStatusResponse& status);
nlohmann::ordered_json ToJson(const v1::GetStatusResponse& status);

}  // namespace tern

#endif  // TERN_TOOLS_CLUSTER_STATUS_H_
