// SPDX-License-Identifier: MIT
#include "cluster/inproc_transport.h"

#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tern {

struct InprocTransport::Endpoint {
  Endpoint(std::string where, FrameHandler frame_handler)
      : address(std::move(where)), handler(std::move(frame_handler)) {}

  // Calls the handler, unless the endpoint is closed; whether it did.
  bool Deliver(Frame frame) ABSL_LOCKS_EXCLUDED(mu) {
    {
      MutexLock lock(mu);
      if (closed) return false;
      ++calls;
    }
    handler(std::move(frame));
    MutexLock lock(mu);
    if (--calls == 0) idle.NotifyAll();
    return true;
  }

  void Close() ABSL_LOCKS_EXCLUDED(mu) {
    MutexLock lock(mu);
    closed = true;
    while (calls > 0) idle.Wait(mu);
  }

  bool IsClosed() ABSL_LOCKS_EXCLUDED(mu) {
    MutexLock lock(mu);
    return closed;
  }

  const std::string address;
  const FrameHandler handler;
  Mutex mu;
  CondVar idle;
  size_t calls ABSL_GUARDED_BY(mu) = 0;  // of the handler, in progress
  bool closed ABSL_GUARDED_BY(mu) = false;
};

class InprocTransport::Sender final : public FrameSender {
 public:
  Sender(std::shared_ptr<Endpoint> endpoint, LinkFailure on_failure)
      : endpoint_(std::move(endpoint)), on_failure_(std::move(on_failure)) {}

  void Send(Frame frame) override {
    if (broken_.load() || endpoint_->Deliver(std::move(frame))) return;
    if (broken_.exchange(true) || !on_failure_) return;
    on_failure_(absl::UnavailableError(absl::StrCat(endpoint_->address, ": listener closed")));
  }

 private:
  const std::shared_ptr<Endpoint> endpoint_;
  const LinkFailure on_failure_;
  std::atomic<bool> broken_{false};
};

InprocTransport::Listener::Listener(std::shared_ptr<Endpoint> endpoint)
    : endpoint_(std::move(endpoint)) {}

InprocTransport::Listener::~Listener() { endpoint_->Close(); }

absl::StatusOr<std::unique_ptr<InprocTransport::Listener>> InprocTransport::Listen(
    const std::string& address, FrameHandler handler) {
  MutexLock lock(mu_);
  std::shared_ptr<Endpoint>& endpoint = endpoints_[address];
  if (endpoint != nullptr && !endpoint->IsClosed()) {
    return absl::AlreadyExistsError(absl::StrCat(address, ": somebody listens there"));
  }
  endpoint = std::make_shared<Endpoint>(address, std::move(handler));
  return std::unique_ptr<Listener>(new Listener(endpoint));
}

absl::StatusOr<std::unique_ptr<FrameSender>> InprocTransport::Connect(const std::string& address,
                                                                      LinkFailure on_failure) {
  MutexLock lock(mu_);
  const auto found = endpoints_.find(address);
  if (found == endpoints_.end() || found->second->IsClosed()) {
    return absl::UnavailableError(absl::StrCat(address, ": nobody listens there"));
  }
  return std::make_unique<Sender>(found->second, std::move(on_failure));
}

}  // namespace tern
