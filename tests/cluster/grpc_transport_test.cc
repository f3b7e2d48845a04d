// SPDX-License-Identifier: MIT
// Links over real gRPC connections, on ports that the system chooses.
#include "cluster/grpc_transport.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/service_type.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cluster/grpc_receiver.h"
#include "cluster/grpc_util.h"
#include "cluster/messages.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cluster/link_tests.h"
#include "tests/support/frame_limits.h"
#include "tests/support/inbox.h"

namespace tern {
namespace {

using ::testing::HasSubstr;

class GrpcEnd {
 public:
  explicit GrpcEnd(LinkSessions& sessions) : receiver_(sessions) {
    auto listening = Listen({"127.0.0.1", 0}, {receiver_.service()});
    EXPECT_TRUE(listening.ok()) << listening.status();
    address_ = listening->address.ToString();
    server_ = std::move(listening->server);
  }
  ~GrpcEnd() { server_->Shutdown(std::chrono::system_clock::now()); }

  std::string address() const { return address_; }
  static absl::StatusOr<std::unique_ptr<FrameSender>> Connect(const std::string& address,
                                                              uint64_t epoch, LinkEvents events) {
    return GrpcTransport(epoch).Connect(address, std::move(events));
  }

 private:
  GrpcReceiver receiver_;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

INSTANTIATE_TYPED_TEST_SUITE_P(Grpc, LinkTest, GrpcEnd);

namespace {

// A peer that knows the method but not the protocol.
grpc::Status SendRaw(const std::string& address, const std::string& protocol,
                     const std::string& message) {
  grpc::GenericStub stub(ConnectTo(address));
  grpc::ClientContext context;
  context.AddMetadata("tern-epoch", "7");
  context.AddMetadata("tern-protocol", protocol);
  grpc::CompletionQueue queue;
  const auto stream = stub.PrepareCall(&context, "/tern.v1.Stage/Link", &queue);
  void* tag = nullptr;
  bool ok = false;
  stream->StartCall(nullptr);
  queue.Next(&tag, &ok);
  const grpc::Slice slice(message);
  stream->Write(grpc::ByteBuffer(&slice, 1), nullptr);
  queue.Next(&tag, &ok);
  grpc::Status status;
  stream->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
  return status;
}

TEST(GrpcReceiverTest, PeersThatSpeakNonsenseAreToldSo) {
  LinkSessions sessions;
  Inbox<Frame> frames;
  sessions.Accept(kLimits, [&](Frame frame) { frames.Put(std::move(frame)); });
  const GrpcEnd end(sessions);
  const std::string address = end.address();
  const std::string ours = absl::StrCat(kProtocolVersion);
  const std::string other = absl::StrCat(kProtocolVersion + 1);
  EXPECT_EQ(SendRaw(address, ours, "no frame").error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(SendRaw(address, ours, "").error_code(), grpc::StatusCode::DATA_LOSS);
  const grpc::Status version = SendRaw(address, other, "no frame");
  EXPECT_EQ(version.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(version.error_message(),
              HasSubstr(absl::StrCat("protocol: found ", other, ", want ", ours)));
  EXPECT_EQ(SendRaw(address, "one", "no frame").error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_TRUE(frames.items().empty());
}

TEST(GrpcUtilTest, APortInUseIsAnErrorWithTheReason) {
  LinkSessions sessions;
  GrpcReceiver first(sessions);
  GrpcReceiver second(sessions);
  auto listening = Listen({"127.0.0.1", 0}, {first.service()});
  ASSERT_TRUE(listening.ok()) << listening.status();
  const auto again = Listen(listening->address, {second.service()});
  EXPECT_EQ(again.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(again.status().ToString(), HasSubstr("in use"));
  EXPECT_THAT(again.status().ToString(), HasSubstr(listening->address.ToString()));
  listening->server->Shutdown();
}

}  // namespace
}  // namespace tern
