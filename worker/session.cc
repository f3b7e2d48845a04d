// SPDX-License-Identifier: MIT
#include "worker/session.h"

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "cluster/clock.h"
#include "cluster/grpc_util.h"
#include "cluster/measure_link.h"
#include "cluster/membership.h"
#include "cluster/wire.h"

namespace tern {
namespace {

constexpr absl::Duration kGoodbyePatience = absl::Seconds(1);

}  // namespace

WorkerSession::WorkerSession(const std::string& coordinator, Hello hello,
                             std::function<absl::StatusOr<WorkerSetup>(const Welcome&)> on_welcome)
    : coordinator_(coordinator),
      hello_(std::move(hello)),
      on_welcome_(std::move(on_welcome)),
      stub_(v1::Cluster::NewStub(ConnectTo(coordinator))),
      weights_(coordinator) {}

absl::Status WorkerSession::Run() {
  const std::unique_ptr<Stream> stream = stub_->Join(&context_);
  absl::StatusOr<WorkerSetup> setup = Join(*stream);
  absl::Status status = setup.status();
  if (setup.ok()) {
    status = Serve(*stream, *std::move(setup));
  } else if (!absl::IsUnavailable(status)) {
    context_.TryCancel();
  }
  const absl::Status end = FromGrpc(stream->Finish());
  return status.ok() || absl::IsUnavailable(status) ? end : status;
}

// UNAVAILABLE if the stream ended: its own end says why.
absl::StatusOr<WorkerSetup> WorkerSession::Join(Stream& stream) {
  stream.Write(ToProto(hello_));
  TERN_ASSIGN_OR_RETURN(const CoordinatorMessage answer, Read(stream));
  const auto* welcome = std::get_if<Welcome>(&answer);
  if (welcome == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("coordinator ", coordinator_, ": its first message is no welcome"));
  }
  TERN_ASSIGN_OR_RETURN(WorkerSetup setup, on_welcome_(*welcome));
  welcomed_ = true;
  LogInfo("joined the coordinator at ", coordinator_, " (tern ", welcome->coordinator_version,
          ") as ", hello_.name);
  return setup;
}

absl::Status WorkerSession::Serve(Stream& stream, WorkerSetup setup) {
  setup.host.coordinator_address = coordinator_;
  setup.host.fetch = [this](const std::string& source, const std::string& sha256, uint64_t offset,
                            const ByteSink& sink) {
    return weights_.Fetch(source, sha256, offset, sink);
  };
  Report(std::move(setup.registration));
  {
    MutexLock lock(mu_);
    serving_ = true;
  }
  StageHost host(std::move(setup.host),
                 [this](WorkerMessage message) { Report(std::move(message)); });
  std::thread writer([&] { WriteLoop(stream, host); });
  std::thread prober([&] { ProbeLoop(); });
  const absl::Status status = ReadLoop(stream, host);
  End();
  writer.join();
  prober.join();
  return status;
}

void WorkerSession::Leave() {
  MutexLock lock(mu_);
  leaving_ = true;
  if (serving_) {
    wake_.NotifyOne();
  } else {
    context_.TryCancel();
  }
}

void WorkerSession::End() {
  {
    MutexLock lock(mu_);
    ended_ = true;
  }
  wake_.NotifyOne();
  probe_wake_.NotifyOne();
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
      while (outgoing_.empty() && !ended_ && !leaving_ && MonotonicNow() < heartbeat_due) {
        wake_.WaitFor(mu_, heartbeat_due - MonotonicNow());
      }
      if (ended_) return;
      if (leaving_) break;
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
  SayGoodbye(stream);
}

void WorkerSession::SayGoodbye(Stream& stream) {
  if (!stream.Write(ToProto(Leaving{}))) return;
  const absl::Time end = MonotonicNow() + kGoodbyePatience;
  MutexLock lock(mu_);
  while (!ended_ && MonotonicNow() < end) wake_.WaitFor(mu_, end - MonotonicNow());
  if (!ended_) context_.TryCancel();
}

absl::StatusOr<CoordinatorMessage> WorkerSession::Read(Stream& stream) {
  v1::CoordinatorMessage proto;
  if (!stream.Read(&proto)) return absl::UnavailableError("the stream ended");
  absl::StatusOr<CoordinatorMessage> message = FromProto(proto);
  if (message.ok()) return message;
  return absl::InvalidArgumentError(
      absl::StrCat("coordinator ", coordinator_, ": ", message.status().message()));
}

absl::Status WorkerSession::ReadLoop(Stream& stream, StageHost& host) {
  while (true) {
    absl::StatusOr<CoordinatorMessage> message = Read(stream);
    if (absl::IsUnavailable(message.status())) return absl::OkStatus();
    if (!message.ok()) {
      context_.TryCancel();
      return message.status();
    }
    if (const auto* probe = std::get_if<ProbeLink>(&*message)) {
      MutexLock lock(mu_);
      probes_.push_back(*probe);
      probe_wake_.NotifyOne();
    } else if (const auto* dismiss = std::get_if<Dismiss>(&*message)) {
      LogInfo("dismissed by the coordinator: ", dismiss->reason);
      dismissed_ = true;
    } else {
      host.Handle(*std::move(message));
    }
  }
}

void WorkerSession::ProbeLoop() {
  const auto has_ended = [this] {
    MutexLock lock(mu_);
    return ended_;
  };
  while (true) {
    ProbeLink probe;
    {
      MutexLock lock(mu_);
      while (probes_.empty() && !ended_) probe_wake_.Wait(mu_);
      if (ended_) return;
      probe = std::move(probes_.front());
      probes_.pop_front();
    }
    const absl::StatusOr<LinkSpeed> speed = MeasureLink(probe.address, has_ended);
    Report(LinkProbed{
        .number = probe.number, .status = speed.status(), .speed = speed.value_or(LinkSpeed{})});
  }
}

}  // namespace tern
