// SPDX-License-Identifier: MIT
#include "cluster/grpc_util.h"

#include <grpc/support/log.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/about.h"
#include "base/log.h"
#include "cluster/frame_codec.h"

namespace tern {
namespace {

// A peer pings when nothing came for so long, and gives up as much later. A server that is not told
// so closes such a connection with "too many pings".
constexpr int kPeerPingMs = 1000;
constexpr int kClientPingMs = 10'000;
// The server's own pings find clients that vanished without a word. Workers have leases besides,
// so this may be patient with a client that a user has suspended.
constexpr int kServerPingMs = 20'000;
constexpr int kServerPingTimeoutMs = 20'000;

// gRPC reports what goes wrong to the caller as well: its own lines are for debugging.
void UseTernLog() {
  gpr_set_log_function([](gpr_log_func_args* line) {
    Log(LogLevel::kDebug, absl::StrCat("grpc: ", line->message));
  });
}

// Why the system would not let us listen; gRPC does not tell.
std::string WhyNotListen(const Address& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const std::string port = absl::StrCat(address.port);
  const int error = getaddrinfo(address.host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) return gai_strerror(error);
  std::string reason = "unknown reason";
  const int fd = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
  if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0) reason = std::strerror(errno);
  if (fd >= 0) close(fd);
  freeaddrinfo(found);
  return reason;
}

std::shared_ptr<grpc::Channel> Connect(const std::string& address, int ping_ms) {
  UseTernLog();
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, ping_ms);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, ping_ms);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // no limit
  // A connection of its own, so that an earlier failure to connect does not delay this one.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(static_cast<int>(kMaxFrameBytes));
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

absl::Status FromGrpc(const grpc::Status& status, const std::string& peer) {
  return About(peer, FromGrpc(status));
}

grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

std::shared_ptr<grpc::Channel> ConnectTo(const std::string& address) {
  return Connect(address, kPeerPingMs);
}

std::shared_ptr<grpc::Channel> ConnectAsClient(const std::string& address) {
  return Connect(address, kClientPingMs);
}

absl::StatusOr<ListeningServer> Listen(const Address& address,
                                       const std::vector<grpc::Service*>& services) {
  UseTernLog();
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a port in use is an error
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kServerPingMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kServerPingTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kPeerPingMs / 2);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);  // no limit
  builder.SetMaxReceiveMessageSize(static_cast<int>(kMaxFrameBytes));
  int port = 0;
  builder.AddListeningPort(address.ToString(), grpc::InsecureServerCredentials(), &port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  ListeningServer listening{.server = builder.BuildAndStart(), .address = address};
  if (listening.server == nullptr || port == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on ", address.ToString(), ": ", WhyNotListen(address)));
  }
  listening.address.port = static_cast<uint16_t>(port);
  return listening;
}

}  // namespace tern
