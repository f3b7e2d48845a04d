// SPDX-License-Identifier: MIT
// tern.v1.Inference: requests of clients to the engine, tokens back to them.
#ifndef TERN_COORDINATOR_INFERENCE_SERVICE_H_
#define TERN_COORDINATOR_INFERENCE_SERVICE_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "cluster/membership.h"
#include "cluster/messages.h"
#include "coordinator/engine.h"
#include "coordinator/request_recorder.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace grpc {
class Service;
}

namespace tern {

// Everything borrowed here must outlive the service, and the service the server that it is
// registered with.
struct InferenceOptions {
  Engine* engine = nullptr;
  const Tokenizer* tokenizer = nullptr;
  absl::StatusOr<ChatFormat> chat_format;  // or why there are no conversations with this model
  const ModelManifest* manifest = nullptr;
  std::function<std::optional<Pipeline>()> pipeline;  // that is up
  const std::atomic<bool>* draining = nullptr;        // new requests are refused
  RequestRecorder* recorder = nullptr;
};

// What a client costs is bounded, even one that does not read: a request of more than
// kMaxRequestBytes is refused; one whose client is kMaxUnreadResponses behind, beyond what its own
// gRPC buffers, loses them and ends with RESOURCE_EXHAUSTED; and there are at most
// kMaxOpenRequests streams, whether they generate or only wait to be read.
inline constexpr size_t kMaxRequestBytes = 4 << 20;
inline constexpr size_t kMaxUnreadResponses = 256;
inline constexpr int kMaxOpenRequests = 2048;

std::unique_ptr<grpc::Service> MakeInferenceService(InferenceOptions options);

}  // namespace tern

#endif  // TERN_COORDINATOR_INFERENCE_SERVICE_H_
