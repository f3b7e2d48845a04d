// SPDX-License-Identifier: MIT
#include "cluster/unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "base/descriptor.h"
#include "gtest/gtest.h"

namespace tern {
namespace {

// A socket at a path, as a process leaves it that is killed before it has removed it.
class Socket {
 public:
  explicit Socket(const std::string& path) : socket_(socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  void Listen() { EXPECT_EQ(listen(socket_.get(), 8), 0); }

 private:
  const Descriptor socket_;
};

void MakeOld(const std::string& path) {
  const timespec hour_1970[2] = {{3600, 0}, {3600, 0}};
  EXPECT_EQ(utimensat(AT_FDCWD, path.c_str(), hour_1970, 0), 0);
}

class UnixSocketTest : public ::testing::Test {
 protected:
  UnixSocketTest() : folder_("/tmp/tern-test-" + std::to_string(getpid())) {
    std::filesystem::create_directory(folder_);
    chmod(folder_.c_str(), 0700);
    setenv("XDG_RUNTIME_DIR", folder_.c_str(), 1);
  }
  ~UnixSocketTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }

  const std::string folder_;  // short: a socket's path has 108 bytes
};

TEST_F(UnixSocketTest, NewAddressIsOneThatCanBeListenedOn) {
  const absl::StatusOr<std::string> address = NewUnixAddress();
  ASSERT_TRUE(address.ok()) << address.status();
  EXPECT_TRUE(IsUnixAddress(*address)) << *address;
  Socket(PathOf(*address)).Listen();
  EXPECT_NE(*address, NewUnixAddress().value());
}

TEST_F(UnixSocketTest, AListenerThatTakesNobodyIsNotWaitedForForEver) {
  const std::string address = NewUnixAddress().value();
  const Descriptor listener = ListenUnix(address, /*backlog=*/0).value();
  std::vector<Descriptor> queued;
  absl::StatusOr<Descriptor> connection = ConnectUnix(address, absl::Milliseconds(1));
  for (; connection.ok(); connection = ConnectUnix(address, absl::Milliseconds(1))) {
    queued.push_back(*std::move(connection));
    ASSERT_LT(queued.size(), 100) << "its queue has no end";
  }
  EXPECT_EQ(connection.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(connection.status().message().find(address), std::string::npos);
  EXPECT_FALSE(queued.empty());
}

TEST_F(UnixSocketTest, AFolderOfOthersIsRefusedByName) {
  chmod(folder_.c_str(), 0755);
  const absl::StatusOr<std::string> address = NewUnixAddress();
  EXPECT_EQ(address.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(address.status().message().find(folder_), std::string::npos);
}

TEST_F(UnixSocketTest, SocketsOfKilledProcessesAreRemovedAndNothingElse) {
  const std::string dead = Path("tern-1-dead.sock"), alive = Path("tern-2-alive.sock"),
                    young = Path("tern-3-young.sock"), others = Path("other.sock"),
                    file = Path("tern-4-file.sock");
  Socket listening(alive);
  listening.Listen();
  for (const std::string& path : {dead, young, others}) Socket socket(path);
  std::ofstream(file) << "no socket";
  for (const std::string& path : {dead, alive, others, file}) MakeOld(path);
  ASSERT_TRUE(NewUnixAddress().ok());
  EXPECT_FALSE(std::filesystem::exists(dead));
  for (const std::string& path : {alive, young, others, file}) {
    EXPECT_TRUE(std::filesystem::exists(path)) << path;
  }
}

}  // namespace
}  // namespace tern
