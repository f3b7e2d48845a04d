// SPDX-License-Identifier: MIT
// Fetches tensors from a coordinator and from workers. Includes gRPC's headers.
#ifndef TERN_CLUSTER_WEIGHTS_CLIENT_H_
#define TERN_CLUSTER_WEIGHTS_CLIENT_H_

#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "base/mutex.h"
#include "cluster/tensor_cache.h"
#include "proto/weights.grpc.pb.h"

namespace tern {

// Thread-safe.
class WeightsClient {
 public:
  // `coordinator` is "host:port".
  explicit WeightsClient(const std::string& coordinator);
  ~WeightsClient();

  // A TensorFetch. A worker that does not answer within a few seconds is UNAVAILABLE, and remains
  // so: it is not asked again by this object.
  absl::Status Fetch(const std::string& source, const std::string& sha256, uint64_t offset,
                     const ByteSink& sink) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Peer;
  Peer& Find(const std::string& source) ABSL_LOCKS_EXCLUDED(mu_);

  const std::string coordinator_;
  Mutex mu_;
  std::map<std::string, std::unique_ptr<Peer>> peers_ ABSL_GUARDED_BY(mu_);  // by address
};

}  // namespace tern

#endif  // TERN_CLUSTER_WEIGHTS_CLIENT_H_
