// SPDX-License-Identifier: MIT
#include "worker/session.h"

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "cluster/clock.h"
#include "cluster/grpc_util.h"
#include "cluster/membership.h"
#include "cluster/wire.h"

namespace tern {

WorkerSession::WorkerSession(const std::string& coordinator, RegisterWorker registration,
                             StageHostOptions host_options)
    : coordinator_(coordinator),
      registration_(std::move(registration)),
      host_options_(std::move(host_options)),
      stub_(v1::Cluster::NewStub(ConnectTo(coordinator))),
      weights_(coordinator) {
  host_options_.coordinator_address = coordinator;
  host_options_.fetch = [this](const std::string& source, const std::string& sha256,
                               uint64_t offset, const ByteSink& sink) {
    return weights_.Fetch(source, sha256, offset, sink);
  };
}

absl::Status WorkerSession::Run() {
  const std::unique_ptr<Stream> stream = stub_->Join(&context_);
  Report(registration_);
  absl::Status status;
  {
    StageHost host(host_options_, [this](WorkerMessage message) { Report(std::move(message)); });
    std::thread writer([&] { WriteLoop(*stream, host); });
    status = ReadLoop(*stream, host);
    {
      MutexLock lock(mu_);
      ended_ = true;
    }
    wake_.NotifyOne();
    writer.join();
  }
  const absl::Status end = FromGrpc(stream->Finish());
  return status.ok() ? end : status;
}

void WorkerSession::Report(WorkerMessage message) {
  {
    MutexLock lock(mu_);
    outgoing_.push_back(std::move(message));
  }
  wake_.NotifyOne();
}

void WorkerSession::WriteLoop(Stream& stream, const StageHost& host) {
  absl::Time heartbeat_due = MonotonicNow() + kHeartbeatPeriod;
  while (true) {
    std::deque<WorkerMessage> messages;
    {
      MutexLock lock(mu_);
      while (outgoing_.empty() && !ended_ && MonotonicNow() < heartbeat_due) {
        wake_.WaitFor(mu_, heartbeat_due - MonotonicNow());
      }
      if (ended_) return;
      messages = std::exchange(outgoing_, {});
    }
    if (MonotonicNow() >= heartbeat_due) {
      messages.push_back(host.heartbeat());
      heartbeat_due = MonotonicNow() + kHeartbeatPeriod;
    }
    for (const WorkerMessage& message : messages) {
      if (!stream.Write(ToProto(message))) return;  // the stream broke: ReadLoop learns why
    }
  }
}

absl::Status WorkerSession::ReadLoop(Stream& stream, StageHost& host) {
  v1::CoordinatorMessage proto;
  while (stream.Read(&proto)) {
    absl::StatusOr<CoordinatorMessage> message = FromProto(proto);
    if (!message.ok()) {
      context_.TryCancel();
      return absl::InvalidArgumentError(
          absl::StrCat("coordinator ", coordinator_, ": ", message.status().message()));
    }
    if (const auto* welcome = std::get_if<Welcome>(&*message)) {
      welcomed_ = true;
      LogInfo("joined the coordinator at ", coordinator_, " (tern ", welcome->coordinator_version,
              ") as ", registration_.name);
    }
    host.Handle(*std::move(message));
  }
  return absl::OkStatus();
}

}  // namespace tern
