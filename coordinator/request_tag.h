// SPDX-License-Identifier: MIT
// Who a call of tern.v1.Inference is.
#ifndef TERN_COORDINATOR_REQUEST_TAG_H_
#define TERN_COORDINATOR_REQUEST_TAG_H_

#include <grpcpp/server_context.h>

#include "coordinator/request_recorder.h"

namespace tern {

// The metadata by which clients name a request, and are told its name.
inline constexpr char kRequestIdKey[] = "tern-request-id";

// The id that the client sent, if it is 1 to 128 visible ASCII characters, or else a fresh one; and
// tells the client which. To be called before the call's first message is sent.
RequestTag TagCall(grpc::CallbackServerContext& context);

}  // namespace tern

#endif  // TERN_COORDINATOR_REQUEST_TAG_H_
