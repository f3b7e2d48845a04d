// SPDX-License-Identifier: MIT
#include "cluster/unix_transport.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <deque>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/about.h"
#include "base/descriptor.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "cluster/frame_codec.h"
#include "cluster/messages.h"
#include "cluster/unix_link.h"
#include "cluster/unix_socket.h"

namespace tern {
namespace {

constexpr timeval kAnswerTimeout = {.tv_sec = 5, .tv_usec = 0};

absl::Status OfLink(const std::string& address, const absl::Status& status) {
  return About(absl::StrCat("link to ", address), status);
}

// A frame that goes out piece by piece. Not movable: its pieces point into it.
class OutgoingFrame {
 public:
  OutgoingFrame(Frame frame, WireType wire)
      : frame_(std::move(frame)),
        encoded_(EncodeFrame(frame_, wire)),
        length_(encoded_.head.size() + encoded_.body.size()) {
    pieces_[0] = {&length_, sizeof(length_)};
    pieces_[1] = {encoded_.head.data(), encoded_.head.size()};
    pieces_[2] = {const_cast<uint8_t*>(encoded_.body.data()), encoded_.body.size()};
  }
  OutgoingFrame(const OutgoingFrame&) = delete;
  OutgoingFrame& operator=(const OutgoingFrame&) = delete;

  bool has_begun() const { return has_begun_; }

  enum class Sent { kAll, kPart, kNothing };  // kNothing: the socket takes none any more

  // Sends what the socket takes now.
  Sent SendTo(int socket) {
    has_begun_ = true;
    while (first_ < pieces_.size()) {
      msghdr message = {};
      message.msg_iov = &pieces_[first_];
      message.msg_iovlen = pieces_.size() - first_;
      const ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent >= 0) {
        Skip(static_cast<size_t>(sent));
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return Sent::kPart;
      } else if (errno != EINTR) {
        return Sent::kNothing;
      }
    }
    return Sent::kAll;
  }

 private:
  void Skip(size_t bytes) {
    while (first_ < pieces_.size() && bytes >= pieces_[first_].iov_len) {
      bytes -= pieces_[first_++].iov_len;
    }
    if (first_ == pieces_.size()) return;
    pieces_[first_].iov_base = static_cast<uint8_t*>(pieces_[first_].iov_base) + bytes;
    pieces_[first_].iov_len -= bytes;
  }

  const Frame frame_;
  EncodedFrame encoded_;
  FrameLength length_;
  std::array<iovec, 3> pieces_;
  size_t first_ = 0;  // piece with bytes left
  bool has_begun_ = false;
};

// Sends on the caller's thread what the socket takes at once. A thread of its own sends the rest,
// and reads what the receiver says.
class UnixFrameSender final : public FrameSender {
 public:
  UnixFrameSender(std::string address, WireType wire, LinkEvents events, Descriptor socket,
                  Descriptor wake, uint64_t window)
      : address_(std::move(address)),
        wire_(wire),
        events_(std::move(events)),
        socket_(std::move(socket)),
        wake_(std::move(wake)),
        window_(window),
        thread_([this] { Loop(); }) {}

  ~UnixFrameSender() override {
    {
      MutexLock lock(mu_);
      is_closed_ = true;
    }
    shutdown(socket_.get(), SHUT_RDWR);
    thread_.join();
  }

  void Send(Frame frame) override ABSL_LOCKS_EXCLUDED(mu_) {
    auto outgoing = std::make_unique<OutgoingFrame>(std::move(frame), wire_);
    MutexLock lock(mu_);
    if (is_broken_) return;
    queue_.push_back(std::move(outgoing));
    if (is_blocked_) return;
    SendQueued();
    if (is_blocked_) eventfd_write(wake_.get(), 1);
  }

 private:
  // Sends as much as the receiver's window and the socket have room for.
  void SendQueued() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    is_blocked_ = false;
    while (!queue_.empty()) {
      OutgoingFrame& frame = *queue_.front();
      if (!frame.has_begun()) {
        if (window_ > 0 && sent_ - taken_ >= window_) return;
        ++sent_;
      }
      const OutgoingFrame::Sent sent = frame.SendTo(socket_.get());
      if (sent == OutgoingFrame::Sent::kNothing) return Break();
      is_blocked_ = sent == OutgoingFrame::Sent::kPart;
      if (is_blocked_) return;
      queue_.pop_front();
    }
  }

  // Why is what the receiver said last: the thread reads on.
  void Break() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    is_broken_ = true;
    queue_.clear();
  }

  void Loop() ABSL_LOCKS_EXCLUDED(mu_) {
    absl::Status status;
    while (status.ok()) status = WaitAndHandle();
    {
      MutexLock lock(mu_);
      Break();
      if (is_closed_ || !events_.on_failure) return;
    }
    events_.on_failure(OfLink(address_, status));
  }

  absl::Status WaitAndHandle() ABSL_LOCKS_EXCLUDED(mu_) {
    std::array<pollfd, 2> files = {{{.fd = socket_.get(), .events = POLLIN, .revents = 0},
                                    {.fd = wake_.get(), .events = POLLIN, .revents = 0}}};
    {
      MutexLock lock(mu_);
      if (is_blocked_) files[0].events |= POLLOUT;
    }
    if (poll(files.data(), files.size(), -1) < 0) {
      return errno == EINTR ? absl::OkStatus()
                            : absl::UnavailableError(absl::ErrnoToStatus(errno, "poll").message());
    }
    if (files[1].revents != 0) {
      eventfd_t ignored;
      eventfd_read(wake_.get(), &ignored);
    }
    if ((files[0].revents & POLLOUT) != 0) {
      MutexLock lock(mu_);
      SendQueued();
    }
    return (files[0].revents & ~POLLOUT) != 0 ? HandleNotice() : absl::OkStatus();
  }

  absl::Status HandleNotice() ABSL_LOCKS_EXCLUDED(mu_) {
    TERN_ASSIGN_OR_RETURN(const LinkNotice notice, ReadNotice(socket_.get()));
    {
      MutexLock lock(mu_);
      if (notice.kind != LinkNotice::kTaken || notice.value <= taken_ || notice.value > sent_) {
        return absl::InternalError(absl::StrCat("found ", notice.value, " frames taken, want more ",
                                                "than ", taken_, " and at most ", sent_));
      }
      taken_ = notice.value;
      if (!is_blocked_) SendQueued();
    }
    if (events_.on_taken) events_.on_taken(notice.value);
    return absl::OkStatus();
  }

  const std::string address_;
  const WireType wire_;
  const LinkEvents events_;
  const Descriptor socket_;
  const Descriptor wake_;  // an eventfd: the socket is to be waited for
  const uint64_t window_;  // frames that may be on their way; 0: any number

  Mutex mu_;
  std::deque<std::unique_ptr<OutgoingFrame>> queue_ ABSL_GUARDED_BY(mu_);
  uint64_t sent_ ABSL_GUARDED_BY(mu_) = 0;  // frames, the one being sent among them
  uint64_t taken_ ABSL_GUARDED_BY(mu_) = 0;
  bool is_blocked_ ABSL_GUARDED_BY(mu_) = false;  // the socket takes no more of the first frame
  bool is_broken_ ABSL_GUARDED_BY(mu_) = false;   // nothing more can be sent
  bool is_closed_ ABSL_GUARDED_BY(mu_) = false;   // by its owner

  std::thread thread_;  // last: it uses everything above
};

absl::StatusOr<uint64_t> OpenLink(int socket, uint64_t epoch) {
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout, sizeof(kAnswerTimeout));
  const LinkOpening opening = {.protocol = kProtocolVersion, .epoch = epoch};
  if (send(socket, &opening, sizeof(opening), MSG_NOSIGNAL) != sizeof(opening)) {
    return absl::UnavailableError(absl::ErrnoToStatus(errno, "send").message());
  }
  TERN_ASSIGN_OR_RETURN(const LinkNotice answer, ReadNotice(socket));
  if (answer.kind != LinkNotice::kAccepted) {
    return absl::InternalError(absl::StrCat("found an answer of kind ", answer.kind));
  }
  constexpr timeval forever = {};
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof(forever));
  return answer.value;
}

}  // namespace

absl::StatusOr<std::unique_ptr<FrameSender>> UnixTransport::Connect(const std::string& address,
                                                                    LinkEvents events) {
  TERN_ASSIGN_OR_RETURN(Descriptor socket, ConnectUnix(address));
  const absl::StatusOr<uint64_t> window = OpenLink(socket.get(), epoch_);
  if (!window.ok()) return OfLink(address, window.status());
  Descriptor wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.is_open()) return absl::ErrnoToStatus(errno, "eventfd");
  return std::make_unique<UnixFrameSender>(address, wire_, std::move(events), std::move(socket),
                                           std::move(wake), *window);
}

absl::StatusOr<std::unique_ptr<FrameSender>> ConnectNear(UnixTransport near,
                                                         const std::string& unix_address,
                                                         Transport& far, const std::string& address,
                                                         const LinkEvents& events) {
  if (IsUnixAddress(unix_address) && IsSocketHere(unix_address)) {
    absl::StatusOr<std::unique_ptr<FrameSender>> sender = near.Connect(unix_address, events);
    if (sender.ok()) return sender;
    LogWarning("link over ", address, " instead: ", sender.status().message());
  }
  return far.Connect(address, events);
}

}  // namespace tern
