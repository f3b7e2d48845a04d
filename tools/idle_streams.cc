// SPDX-License-Identifier: MIT
#include "tools/idle_streams.h"

#include <grpcpp/grpcpp.h>

#include <deque>

#include "absl/strings/str_cat.h"
#include "base/open_files.h"
#include "base/status_macros.h"
#include "cluster/grpc_util.h"
#include "proto/health.grpc.pb.h"

namespace tern {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckResponse;

// Each connection has an end in the coordinator, which is of this process, too.
constexpr uint64_t kFilesPerStream = 2;
constexpr uint64_t kOtherFiles = 64;

class IdleStreams final : public HeldStreams {
 public:
  absl::Status Add(const std::string& coordinator) {
    Stream& stream = streams_.emplace_back(ConnectAsClient(coordinator));
    HealthCheckResponse response;
    if (stream.reader->Read(&response)) return absl::OkStatus();
    return FromGrpc(stream.reader->Finish(), "coordinator " + coordinator);
  }

 private:
  struct Stream {
    explicit Stream(const std::shared_ptr<grpc::Channel>& channel)
        : stub(Health::NewStub(channel)), reader(stub->Watch(&context, {})) {}
    ~Stream() { context.TryCancel(); }

    grpc::ClientContext context;
    std::unique_ptr<Health::Stub> stub;
    std::unique_ptr<grpc::ClientReader<HealthCheckResponse>> reader;
  };

  std::deque<Stream> streams_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HeldStreams>> OpenIdleStreams(const std::string& coordinator,
                                                             uint32_t streams) {
  const uint64_t want = OpenFiles() + kFilesPerStream * streams + kOtherFiles;
  const uint64_t may = RaiseOpenFileLimit();
  if (may < want) {
    return absl::ResourceExhaustedError(
        absl::StrCat("open files: found a limit of ", may, ", want ", want, " (ulimit -Hn)"));
  }
  auto held = std::make_unique<IdleStreams>();
  for (uint32_t i = 0; i < streams; ++i) TERN_RETURN_IF_ERROR(held->Add(coordinator));
  return held;
}

}  // namespace tern
