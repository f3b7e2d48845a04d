// SPDX-License-Identifier: MIT
// The receiving end of links, whatever carries them: which stage they belong to, where their frames
// go, and whom to tell that one was taken.
#ifndef TERN_CLUSTER_LINK_SESSIONS_H_
#define TERN_CLUSTER_LINK_SESSIONS_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "cluster/frame_receiver.h"

namespace tern {

// The receiving end of one link. Thread-safe.
class ReceivingLink {
 public:
  virtual ~ReceivingLink() = default;
  // One more of its frames has been taken: tells its sender. Must not block.
  virtual void Credit() = 0;
};

// Thread-safe. Must outlive whatever receives for it (grpc_transport.h, unix_receiver.h).
class LinkSessions final : public FrameReceiver {
 public:
  // What Accept was told. A link belongs to the one it was opened under.
  struct Session {
    FrameLimits limits;
    FrameHandler handler;
  };

  void Accept(const FrameLimits& limits, FrameHandler handler) override;
  void Refuse() override;
  void Credit() override ABSL_LOCKS_EXCLUDED(mu_);

  // The session for a link whose sender says these of itself; nothing: it says no number.
  // FAILED_PRECONDITION, with what was found and what was wanted, if there is none.
  absl::StatusOr<std::shared_ptr<const Session>> Open(std::optional<uint64_t> protocol,
                                                      std::optional<uint64_t> epoch)
      ABSL_LOCKS_EXCLUDED(mu_);

  // Decodes a frame that came over `link` and hands it to the session's handler.
  // FAILED_PRECONDITION if the session is over; errors of DecodeFrame.
  absl::Status Deliver(const std::shared_ptr<const Session>& session,
                       const std::shared_ptr<ReceivingLink>& link, std::span<const uint8_t> bytes)
      ABSL_LOCKS_EXCLUDED(mu_);

 private:
  // Sets the session, or none, and waits until no handler of an earlier one runs.
  void SetSession(std::shared_ptr<const Session> session) ABSL_LOCKS_EXCLUDED(mu_);

  Mutex mu_;
  CondVar no_handler_;
  std::shared_ptr<const Session> session_ ABSL_GUARDED_BY(mu_);
  int handlers_ ABSL_GUARDED_BY(mu_) = 0;  // running now
  // The links of the frames that wait to be taken, if links have windows.
  std::deque<std::shared_ptr<ReceivingLink>> waiting_ ABSL_GUARDED_BY(mu_);
};

}  // namespace tern

#endif  // TERN_CLUSTER_LINK_SESSIONS_H_
