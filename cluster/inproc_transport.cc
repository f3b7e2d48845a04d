// SPDX-License-Identifier: MIT
#include "cluster/inproc_transport.h"

#include <atomic>
#include <deque>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tern {

// Tells a sender's owner what was taken, until the sender is gone.
struct InprocTransport::Taken {
  explicit Taken(std::function<void(uint64_t)> tell) : on_taken(std::move(tell)) {}

  void Add() ABSL_LOCKS_EXCLUDED(mu) {
    MutexLock lock(mu);
    ++frames;
    if (on_taken) on_taken(frames);
  }
  void Close() ABSL_LOCKS_EXCLUDED(mu) {
    MutexLock lock(mu);
    on_taken = nullptr;
  }

  Mutex mu;
  std::function<void(uint64_t)> on_taken ABSL_GUARDED_BY(mu);
  uint64_t frames ABSL_GUARDED_BY(mu) = 0;
};

struct InprocTransport::Endpoint {
  Endpoint(std::string where, FrameHandler frame_handler)
      : address(std::move(where)), handler(std::move(frame_handler)) {}

  // Calls the handler, unless the endpoint is closed; whether it did.
  bool Deliver(Frame frame, const std::shared_ptr<Taken>& from) ABSL_LOCKS_EXCLUDED(mu) {
    {
      MutexLock lock(mu);
      if (closed) return false;
      ++calls;
      if (from != nullptr) waiting.push_back(from);
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

  std::shared_ptr<Taken> TakeFirst() ABSL_LOCKS_EXCLUDED(mu) {
    MutexLock lock(mu);
    if (waiting.empty()) return nullptr;
    std::shared_ptr<Taken> first = std::move(waiting.front());
    waiting.pop_front();
    return first;
  }

  const std::string address;
  const FrameHandler handler;
  Mutex mu;
  std::deque<std::shared_ptr<Taken>> waiting ABSL_GUARDED_BY(mu);  // to be taken; by their senders
  CondVar idle;
  size_t calls ABSL_GUARDED_BY(mu) = 0;  // of the handler, in progress
  bool closed ABSL_GUARDED_BY(mu) = false;
};

class InprocTransport::Sender final : public FrameSender {
 public:
  Sender(std::shared_ptr<Endpoint> endpoint, LinkEvents events)
      : endpoint_(std::move(endpoint)), on_failure_(std::move(events.on_failure)) {
    if (events.on_taken) taken_ = std::make_shared<Taken>(std::move(events.on_taken));
  }
  ~Sender() override {
    if (taken_ != nullptr) taken_->Close();
  }

  void Send(Frame frame) override {
    if (broken_.load() || endpoint_->Deliver(std::move(frame), taken_)) return;
    if (broken_.exchange(true) || !on_failure_) return;
    on_failure_(absl::UnavailableError(absl::StrCat(endpoint_->address, ": listener closed")));
  }

 private:
  const std::shared_ptr<Endpoint> endpoint_;
  const std::function<void(absl::Status)> on_failure_;
  std::shared_ptr<Taken> taken_;  // null if nobody wants to know
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
                                                                      LinkEvents events) {
  MutexLock lock(mu_);
  const auto found = endpoints_.find(address);
  if (found == endpoints_.end() || found->second->IsClosed()) {
    return absl::UnavailableError(absl::StrCat(address, ": nobody listens there"));
  }
  return std::make_unique<Sender>(found->second, std::move(events));
}

void InprocTransport::Credit(const std::string& address) {
  std::shared_ptr<Endpoint> endpoint;
  {
    MutexLock lock(mu_);
    const auto found = endpoints_.find(address);
    if (found == endpoints_.end()) return;
    endpoint = found->second;
  }
  const std::shared_ptr<Taken> taken = endpoint->TakeFirst();
  if (taken != nullptr) taken->Add();
}

}  // namespace tern
