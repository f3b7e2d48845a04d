// SPDX-License-Identifier: MIT
#include "cluster/unix_receiver.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/aligned_buffer.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "cluster/frame_codec.h"
#include "cluster/unix_link.h"
#include "cluster/unix_socket.h"

namespace tern {
namespace {

constexpr int kBacklog = 64;
constexpr timeval kOpeningTimeout = {.tv_sec = 5, .tv_usec = 0};
// Before another attempt to take a link that there are no descriptors or memory for.
constexpr absl::Duration kPause = absl::Milliseconds(100);

}  // namespace

// One link. Its thread reads; whoever takes frames off their queue credits them.
class UnixReceiver::Link final : public ReceivingLink,
                                 public std::enable_shared_from_this<UnixReceiver::Link> {
 public:
  Link(LinkSessions& sessions, Descriptor socket)
      : sessions_(sessions), socket_(std::move(socket)) {}

  // Until the link ends.
  void Run() {
    End(ReadFrames());
    is_done_ = true;
  }

  void Credit() override ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    ++taken_;
    Tell({.kind = LinkNotice::kTaken, .value = taken_});
  }

  // Makes Run return.
  void Close() { shutdown(socket_.get(), SHUT_RDWR); }
  bool is_done() const { return is_done_; }

 private:
  absl::Status ReadFrames() {
    const int socket = socket_.get();
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &kOpeningTimeout, sizeof(kOpeningTimeout));
    LinkOpening opening;
    TERN_RETURN_IF_ERROR(ReadExactly(socket, &opening, sizeof(opening)));
    if (opening.magic != LinkOpening::kMagic) {
      return absl::DataLossError(absl::StrCat("link refused: found ", absl::Hex(opening.magic),
                                              ", want ", absl::Hex(LinkOpening::kMagic)));
    }
    TERN_ASSIGN_OR_RETURN(session_, sessions_.Open(opening.protocol, opening.epoch));
    constexpr timeval forever = {};
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof(forever));
    {
      MutexLock lock(mu_);
      Tell({.kind = LinkNotice::kAccepted, .value = session_->limits.window});
    }
    while (true) TERN_RETURN_IF_ERROR(ReadFrame());
  }

  absl::Status ReadFrame() {
    FrameLength length = 0;
    TERN_RETURN_IF_ERROR(ReadExactly(socket_.get(), &length, sizeof(length)));
    if (length > kMaxFrameBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("frame: found ", length, " bytes, want at most ", kMaxFrameBytes));
    }
    if (length > buffer_.size()) buffer_ = AlignedBuffer<uint8_t>(length);
    TERN_RETURN_IF_ERROR(ReadExactly(socket_.get(), buffer_.data(), length));
    return sessions_.Deliver(session_, shared_from_this(), buffer_.span().first(length));
  }

  // Never waits: a sender that keeps to its window has few notices unread.
  void Tell(const LinkNotice& notice, const std::string& text = "")
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    std::string bytes(sizeof(notice), '\0');
    std::memcpy(bytes.data(), &notice, sizeof(notice));
    bytes += text;
    const ssize_t sent =
        send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent != static_cast<ssize_t>(bytes.size())) Close();
  }

  void End(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mu_) {
    const std::string text(status.message().substr(0, LinkNotice::kMaxTextBytes));
    MutexLock lock(mu_);
    Tell({.kind = LinkNotice::kRefused,
          .text_bytes = static_cast<uint32_t>(text.size()),
          .value = static_cast<uint64_t>(status.code())},
         text);
    Close();
  }

  LinkSessions& sessions_;
  const Descriptor socket_;
  std::atomic<bool> is_done_{false};

  // Of Run's thread.
  std::shared_ptr<const LinkSessions::Session> session_;
  AlignedBuffer<uint8_t> buffer_;  // of one frame

  Mutex mu_;
  uint64_t taken_ ABSL_GUARDED_BY(mu_) = 0;  // frames
};

absl::StatusOr<std::unique_ptr<UnixReceiver>> UnixReceiver::Start(LinkSessions& sessions) {
  TERN_ASSIGN_OR_RETURN(std::string address, NewUnixAddress());
  TERN_ASSIGN_OR_RETURN(Descriptor listener, ListenUnix(address, kBacklog));
  return std::unique_ptr<UnixReceiver>(
      new UnixReceiver(sessions, std::move(address), std::move(listener)));
}

std::unique_ptr<UnixReceiver> UnixReceiver::StartOrNone(LinkSessions& sessions) {
  absl::StatusOr<std::unique_ptr<UnixReceiver>> receiver = Start(sessions);
  if (receiver.ok()) return *std::move(receiver);
  LogWarning("no unix socket: ", receiver.status().message());
  return nullptr;
}

UnixReceiver::UnixReceiver(LinkSessions& sessions, std::string address, Descriptor listener)
    : sessions_(sessions),
      address_(std::move(address)),
      listener_(std::move(listener)),
      thread_([this] { Loop(); }) {}

UnixReceiver::~UnixReceiver() {
  unlink(PathOf(address_).c_str());
  {
    MutexLock lock(mu_);
    stop_ = true;
  }
  stopped_.NotifyAll();
  shutdown(listener_.get(), SHUT_RDWR);
  thread_.join();
  for (Served& served : served_) served.link->Close();
  for (Served& served : served_) served.thread.join();
}

void UnixReceiver::Loop() {
  while (true) {
    Descriptor socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const int error = errno;
    if (socket.is_open()) {
      Serve(std::move(socket));
    } else if (!PauseFor(error)) {
      return;
    }
  }
}

void UnixReceiver::Serve(Descriptor socket) {
  const auto ended = std::partition(served_.begin(), served_.end(),
                                    [](const Served& served) { return !served.link->is_done(); });
  for (auto served = ended; served != served_.end(); ++served) served->thread.join();
  served_.erase(ended, served_.end());
  auto link = std::make_shared<Link>(sessions_, std::move(socket));
  served_.push_back({link, std::thread([link] { link->Run(); })});
}

// False at the end.
bool UnixReceiver::PauseFor(int error) {
  MutexLock lock(mu_);
  if (stop_) return false;
  if (error == EINTR || error == ECONNABORTED) return true;
  LogWarning("links on ", address_, ": ", absl::ErrnoToStatus(error, "accept").message());
  stopped_.WaitFor(mu_, kPause);
  return !stop_;
}

}  // namespace tern
