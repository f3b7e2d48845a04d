// SPDX-License-Identifier: MIT
// Links between stages of one process: frames are moved, never copied or encoded.
#ifndef TERN_CLUSTER_INPROC_TRANSPORT_H_
#define TERN_CLUSTER_INPROC_TRANSPORT_H_

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "cluster/transport.h"

namespace tern {

// Thread-safe. Addresses are any names. Listeners and senders may outlive the transport.
class InprocTransport final : public Transport {
 private:
  struct Endpoint;

 public:
  // Keeps an address open. The destructor closes it: it waits for calls of the handler that have
  // begun, and none begin after it. So it must not run inside the handler.
  class Listener {
   public:
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

   private:
    friend class InprocTransport;
    explicit Listener(std::shared_ptr<Endpoint> endpoint);
    const std::shared_ptr<Endpoint> endpoint_;
  };

  // Gives frames for `address` to `handler`, on the threads that send them. ALREADY_EXISTS if
  // somebody listens there.
  absl::StatusOr<std::unique_ptr<Listener>> Listen(const std::string& address, FrameHandler handler)
      ABSL_LOCKS_EXCLUDED(mu_);

  // UNAVAILABLE if nobody listens at `address`. If the listener closes, the next Send calls
  // `on_failure`, on its own thread.
  absl::StatusOr<std::unique_ptr<FrameSender>> Connect(const std::string& address,
                                                       LinkEvents events) override
      ABSL_LOCKS_EXCLUDED(mu_);

  // The first frame that was given to the handler at `address`, and not yet taken, has been taken:
  // its sender's `on_taken` is called, on this thread. Does nothing if there is none.
  void Credit(const std::string& address) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Taken;
  class Sender;

  Mutex mu_;
  // An endpoint is shared by its listener and its senders, which end independently. Closed ones
  // stay until somebody listens at their address again.
  absl::flat_hash_map<std::string, std::shared_ptr<Endpoint>> endpoints_ ABSL_GUARDED_BY(mu_);
};

}  // namespace tern

#endif  // TERN_CLUSTER_INPROC_TRANSPORT_H_
