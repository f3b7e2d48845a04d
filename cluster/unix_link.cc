// SPDX-License-Identifier: MIT
#include "cluster/unix_link.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace tern {

absl::Status ReadExactly(int socket, void* to, size_t bytes) {
  auto* next = static_cast<uint8_t*>(to);
  while (bytes > 0) {
    const ssize_t got = recv(socket, next, bytes, MSG_WAITALL);
    if (got == 0) return absl::UnavailableError("the other end closed it");
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {  // only under SO_RCVTIMEO
      return absl::UnavailableError("no answer in time");
    }
    if (got < 0) return absl::UnavailableError(absl::ErrnoToStatus(errno, "recv").message());
    next += got;
    bytes -= static_cast<size_t>(got);
  }
  return absl::OkStatus();
}

absl::StatusOr<LinkNotice> ReadNotice(int socket) {
  LinkNotice notice;
  TERN_RETURN_IF_ERROR(ReadExactly(socket, &notice, sizeof(notice)));
  if (notice.kind == LinkNotice::kAccepted || notice.kind == LinkNotice::kTaken) return notice;
  if (notice.kind != LinkNotice::kRefused || notice.text_bytes > LinkNotice::kMaxTextBytes) {
    return absl::InternalError(absl::StrCat("found a notice of kind ", notice.kind, " with ",
                                            notice.text_bytes, " bytes of text"));
  }
  std::string reason(notice.text_bytes, '\0');
  TERN_RETURN_IF_ERROR(ReadExactly(socket, reason.data(), reason.size()));
  const uint64_t code = std::min<uint64_t>(notice.value, 16);  // UNAUTHENTICATED is the last
  return absl::Status(code == 0 ? absl::StatusCode::kUnknown : static_cast<absl::StatusCode>(code),
                      reason);
}

}  // namespace tern
