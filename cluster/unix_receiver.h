// SPDX-License-Identifier: MIT
// Takes links from processes of this machine over a unix socket (docs/protocol.md, Links).
#ifndef TERN_CLUSTER_UNIX_RECEIVER_H_
#define TERN_CLUSTER_UNIX_RECEIVER_H_

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "base/descriptor.h"
#include "base/mutex.h"
#include "cluster/link_sessions.h"

namespace tern {

// Thread-safe. Each link has a thread that reads its frames, one after the other, and hands them
// over; the next is not read before the handler returns.
class UnixReceiver {
 public:
  // Listens at a new address (cluster/unix_socket.h), for this user alone. `sessions` must outlive
  // the receiver. Errors of NewUnixAddress; FAILED_PRECONDITION with the system's reason.
  static absl::StatusOr<std::unique_ptr<UnixReceiver>> Start(LinkSessions& sessions);
  // As Start; null, with a line in the log, if there can be none: links go another way then.
  static std::unique_ptr<UnixReceiver> StartOrNone(LinkSessions& sessions);
  // Closes all links, and waits for handlers that run.
  ~UnixReceiver();

  const std::string& address() const { return address_; }

 private:
  class Link;
  struct Served {
    std::shared_ptr<Link> link;
    std::thread thread;
  };

  UnixReceiver(LinkSessions& sessions, std::string address, Descriptor listener);
  void Loop() ABSL_LOCKS_EXCLUDED(mu_);
  void Serve(Descriptor socket) ABSL_LOCKS_EXCLUDED(mu_);
  bool PauseFor(int error) ABSL_LOCKS_EXCLUDED(mu_);

  LinkSessions& sessions_;
  const std::string address_;
  const Descriptor listener_;

  Mutex mu_;
  CondVar stopped_;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;

  std::vector<Served> served_;  // of thread_, while it runs
  std::thread thread_;          // last: it uses everything above
};

}  // namespace tern

#endif  // TERN_CLUSTER_UNIX_RECEIVER_H_
