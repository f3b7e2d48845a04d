// SPDX-License-Identifier: MIT
// tern.v1.Weights: gives tensors away by digest. Includes no gRPC header.
#ifndef TERN_CLUSTER_WEIGHTS_SERVICE_H_
#define TERN_CLUSTER_WEIGHTS_SERVICE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "formats/tensor.h"

namespace grpc {
class Service;
}

namespace tern {

// Finds the tensor with a digest, which came from outside and may be any text. Its errors are the
// caller's answer. Thread-safe.
using TensorFinder = std::function<absl::StatusOr<TensorView>(const std::string& sha256)>;

// Must outlive the server that service() is registered with.
class WeightsService {
 public:
  explicit WeightsService(TensorFinder find);
  ~WeightsService();

  grpc::Service* service();

  // Bytes of tensors handed to gRPC so far.
  uint64_t bytes_sent() const;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace tern

#endif  // TERN_CLUSTER_WEIGHTS_SERVICE_H_
