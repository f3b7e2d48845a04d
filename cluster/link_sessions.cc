// SPDX-License-Identifier: MIT
#include "cluster/link_sessions.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cluster/messages.h"

namespace tern {
namespace {

absl::Status CheckEqual(const char* what, std::optional<uint64_t> found, uint64_t want) {
  if (found == want) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("link refused: ", what, ": found ",
                   found.has_value() ? absl::StrCat(*found) : "no number", ", want ", want));
}

}  // namespace

void LinkSessions::Accept(const FrameLimits& limits, FrameHandler handler) {
  SetSession(std::make_shared<const Session>(Session{limits, std::move(handler)}));
}

void LinkSessions::Refuse() { SetSession(nullptr); }

void LinkSessions::SetSession(std::shared_ptr<const Session> session) {
  std::deque<std::shared_ptr<ReceivingLink>> dropped;
  MutexLock lock(mu_);
  session_ = std::move(session);
  dropped.swap(waiting_);
  while (handlers_ > 0) no_handler_.Wait(mu_);
}

void LinkSessions::Credit() {
  std::shared_ptr<ReceivingLink> link;
  {
    MutexLock lock(mu_);
    if (waiting_.empty()) return;  // of a session that is over
    link = std::move(waiting_.front());
    waiting_.pop_front();
  }
  link->Credit();
}

absl::StatusOr<std::shared_ptr<const LinkSessions::Session>> LinkSessions::Open(
    std::optional<uint64_t> protocol, std::optional<uint64_t> epoch) {
  TERN_RETURN_IF_ERROR(CheckEqual("protocol", protocol, kProtocolVersion));
  MutexLock lock(mu_);
  if (session_ == nullptr) {
    return absl::FailedPreconditionError("link refused: no stage is prepared here");
  }
  TERN_RETURN_IF_ERROR(CheckEqual("epoch", epoch, session_->limits.epoch));
  return session_;
}

absl::Status LinkSessions::Deliver(const std::shared_ptr<const Session>& session,
                                   const std::shared_ptr<ReceivingLink>& link,
                                   std::span<const uint8_t> bytes) {
  {
    MutexLock lock(mu_);
    if (session_ != session) {
      return absl::FailedPreconditionError(
          absl::StrCat("epoch ", session->limits.epoch, " is over"));
    }
    ++handlers_;
    // Before the handler: the frame may be taken before that returns.
    if (session->limits.window > 0) waiting_.push_back(link);
  }
  absl::StatusOr<Frame> frame = DecodeFrame(bytes, session->limits);
  if (frame.ok()) session->handler(*std::move(frame));
  MutexLock lock(mu_);
  --handlers_;
  no_handler_.NotifyAll();
  return frame.status();
}

}  // namespace tern
