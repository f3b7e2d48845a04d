// SPDX-License-Identifier: MIT
// How long a frame takes from a thread of one process to a thread of another that sleeps until it
// comes, as from stage to stage: half of the way there and back, beyond any compute.
//
//   link_bench [DIM [ROWS]]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/mutex.h"
#include "cluster/grpc_receiver.h"
#include "cluster/grpc_transport.h"
#include "cluster/grpc_util.h"
#include "cluster/unix_receiver.h"
#include "cluster/unix_socket.h"
#include "cluster/unix_transport.h"

namespace tern {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kWarmUp = 500;
constexpr int kFrames = 5000;
constexpr uint64_t kEpoch = 1;

FrameLimits LimitsFor(uint32_t dim, uint32_t rows) {
  FrameLimits limits;
  limits.epoch = kEpoch;
  limits.dim = dim;
  limits.vocab = 100;
  limits.outputs = 100;
  limits.context = 1 << 20;
  limits.kv_pages = 1 << 20;
  limits.max_rows = rows;
  limits.expect_hidden = true;
  return limits;
}

StepFrame MakeStep(uint32_t dim, uint32_t rows) {
  StepFrame step;
  step.epoch = kEpoch;
  step.segments.emplace_back();
  step.segments[0].rows = rows;
  step.tokens.resize(rows);
  step.hidden = AlignedBuffer<float>::Zeroed(size_t{rows} * dim);
  return step;
}

// One end: a server, and the queue that its compute thread would wait at.
class End {
 public:
  explicit End(const FrameLimits& limits) {
    auto listening = Listen({"127.0.0.1", 0}, {receiver_.service()});
    TERN_CHECK(listening.ok());
    tcp_ = listening->address.ToString();
    server_ = std::move(listening->server);
    sessions_.Accept(limits, [this](Frame frame) {
      {
        MutexLock lock(mu_);
        frames_.push_back(std::move(frame));
      }
      wake_.NotifyOne();
    });
  }
  ~End() { server_->Shutdown(std::chrono::system_clock::now()); }

  const std::string& tcp() const { return tcp_; }
  const std::string& unix_socket() const { return unix_receiver_->address(); }

  Frame Next() {
    MutexLock lock(mu_);
    while (frames_.empty()) wake_.Wait(mu_);
    Frame frame = std::move(frames_.front());
    frames_.pop_front();
    return frame;
  }

 private:
  LinkSessions sessions_;
  GrpcReceiver receiver_{sessions_};
  const std::unique_ptr<UnixReceiver> unix_receiver_ = UnixReceiver::Start(sessions_).value();
  std::string tcp_;
  std::unique_ptr<grpc::Server> server_;
  Mutex mu_;
  CondVar wake_;
  std::deque<Frame> frames_;
};

absl::StatusOr<std::unique_ptr<FrameSender>> Connect(const std::string& address,
                                                     LinkEvents events) {
  if (IsUnixAddress(address)) return UnixTransport(kEpoch).Connect(address, std::move(events));
  return GrpcTransport(kEpoch).Connect(address, std::move(events));
}

// The other process: sends back what comes until the link breaks.
int Echo(const std::string& address, const FrameLimits& limits) {
  End end(limits);
  auto back = Connect(address, {.on_failure = [](absl::Status) { std::_Exit(0); }});
  TERN_CHECK(back.ok());
  std::printf("%s\n%s\n", end.tcp().c_str(), end.unix_socket().c_str());
  std::fflush(stdout);
  while (true) (*back)->Send(end.Next());
}

std::string ReadLine(FILE* from) {
  char line[256] = "";
  TERN_CHECK(std::fgets(line, sizeof(line), from) != nullptr);
  line[std::strcspn(line, "\n")] = '\0';
  return line;
}

void Measure(const char* program, bool on_unix_socket, uint32_t dim, uint32_t rows) {
  const FrameLimits limits = LimitsFor(dim, rows);
  auto end = std::make_unique<End>(limits);
  const std::string own = on_unix_socket ? end->unix_socket() : end->tcp();
  FILE* child = popen(absl::StrCat(program, " --echo ", own, " ", dim, " ", rows).c_str(), "r");
  TERN_CHECK(child != nullptr);
  const std::string tcp = ReadLine(child);
  const std::string unix_socket = ReadLine(child);
  auto link = Connect(on_unix_socket ? unix_socket : tcp, {});
  TERN_CHECK(link.ok());
  std::vector<double> microseconds;
  Frame frame = MakeStep(dim, rows);
  for (int i = 0; i < kWarmUp + kFrames; ++i) {
    const Clock::time_point start = Clock::now();
    (*link)->Send(std::move(frame));
    frame = end->Next();
    const std::chrono::duration<double, std::micro> there_and_back = Clock::now() - start;
    if (i >= kWarmUp) microseconds.push_back(there_and_back.count() / 2);
  }
  std::sort(microseconds.begin(), microseconds.end());
  const auto at = [&](double share) {
    return microseconds[static_cast<size_t>(share * (kFrames - 1))];
  };
  std::printf("%-5s %u x %u floats: least %.0f us, median %.0f us, 90 %% %.0f us\n",
              on_unix_socket ? "unix" : "tcp", rows, dim, at(0), at(0.5), at(0.9));
  link->reset();
  end.reset();
  pclose(child);
}

uint32_t Number(int argc, char** argv, int i, uint32_t otherwise) {
  return argc > i ? static_cast<uint32_t>(std::atoi(argv[i])) : otherwise;
}

int Main(int argc, char** argv) {
  if (argc == 5 && std::strcmp(argv[1], "--echo") == 0) {
    return Echo(argv[2], LimitsFor(Number(argc, argv, 3, 0), Number(argc, argv, 4, 0)));
  }
  const uint32_t dim = Number(argc, argv, 1, 2560);
  const uint32_t rows = Number(argc, argv, 2, 1);
  for (const bool on_unix_socket : {false, true}) Measure(argv[0], on_unix_socket, dim, rows);
  return 0;
}

}  // namespace
}  // namespace tern

int main(int argc, char** argv) { return tern::Main(argc, argv); }
