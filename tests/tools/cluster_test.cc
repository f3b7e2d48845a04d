// SPDX-License-Identifier: MIT
// A cluster of real `tern` processes: what it prints, how it stops, and what becomes of requests
// when a worker is killed or stops answering.
#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/synth.h"
#include "tests/support/inference_client.h"
#include "tests/support/process.h"

namespace tern {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

const char* const kTern = TERN_BINARY;
constexpr int kKilled = 128 + SIGKILL;

// Long enough that a request for all of it still runs when something happens to a worker.
constexpr uint32_t kContext = 32768;
constexpr uint32_t kEndless = kContext - 100;

ModelConfig LongConfig() {
  ModelConfig config = *SyntheticShape("tiny");
  config.context = kContext;
  return config;
}

std::string NewDirectory() {
  std::string pattern = ::testing::TempDir() + "tern-cluster-XXXXXX";
  return mkdtemp(pattern.data());
}

class ClusterTest : public ::testing::Test {
 protected:
  // All tests' workers share a cache, so that only the first ones measure their speed.
  static void SetUpTestSuite() { cache_ = NewDirectory(); }
  static void TearDownTestSuite() { std::filesystem::remove_all(cache_); }

  ClusterTest() {
    model_ = directory_ + "/model.gguf";
    const absl::Status written = WriteSyntheticModel(LongConfig(), model_, /*seed=*/1);
    EXPECT_TRUE(written.ok()) << written;
  }
  ~ClusterTest() override {
    workers_.clear();
    serve_.reset();
    std::filesystem::remove_all(directory_);
  }

  std::vector<std::string> ServeCommand(const std::string& listen) const {
    return {kTern, "serve", "--model", model_, "--listen", listen};
  }

  void Serve(const std::vector<std::string>& options = {}) {
    std::vector<std::string> command = ServeCommand("127.0.0.1:0");
    command.insert(command.end(), options.begin(), options.end());
    serve_ = std::make_unique<Process>(command);
    address_ = serve_->WaitForLine("listening on ");
    address_ = address_.substr(0, address_.find(';'));
    client_ = std::make_unique<InferenceClient>(address_);
  }

  Process& AddWorker(const std::string& name) {
    workers_.push_back(std::make_unique<Process>(
        std::vector<std::string>{kTern, "worker", "--coordinator", address_, "--name", name,
                                 "--threads", "1", "--cpuset", "none", "--cache-dir", cache_}));
    return *workers_.back();
  }

  void ServeWithWorkers(const std::vector<std::string>& options = {}) {
    Serve(options);
    AddWorker("alpha");
    AddWorker("beta");
    ASSERT_TRUE(client_->WaitUntilServing()) << serve_->text();
  }

  // The end of a request during which `happen` is called, once it runs.
  Generated GenerateWhile(const std::function<void()>& happen) {
    return client_->Generate(RequestFor("Once", kEndless), [&](size_t tokens) {
      if (tokens == 1) happen();
    });
  }

  static inline std::string cache_;
  const std::string directory_ = NewDirectory();
  std::string model_;
  std::string address_;
  std::unique_ptr<Process> serve_;
  std::unique_ptr<InferenceClient> client_;
  std::vector<std::unique_ptr<Process>> workers_;
};

TEST_F(ClusterTest, SaysWhatItDoesAndStopsWhenAsked) {
  ServeWithWorkers();
  serve_->WaitForLine("ready: serving ");
  for (const char* words : {"waiting for 2 workers", "worker alpha joined", "worker beta joined",
                            "plan (epoch 1): 2 stages", "layers 0-", "(epoch 1)"}) {
    EXPECT_THAT(serve_->text(), HasSubstr(words));
  }
  workers_[0]->WaitForLine("joined the coordinator at " + address_);
  EXPECT_THAT(workers_[0]->text(), HasSubstr("G weights/s"));

  Process generate({kTern, "generate", "--coordinator", address_, "--max-tokens", "5",
                    "--temperature", "0", "--ignore-eos", "Once"});
  EXPECT_EQ(generate.Wait(), 0) << generate.text();
  EXPECT_THAT(generate.text(), HasSubstr("5"));

  for (auto& worker : workers_) {
    worker->Signal(SIGTERM);
    EXPECT_EQ(worker->Wait(), 0) << worker->text();
  }
  serve_->WaitForLine("waiting for 2 more workers");
  EXPECT_THAT(serve_->text(), HasSubstr("worker alpha was lost: it was told to stop"));
  serve_->Signal(SIGTERM);
  EXPECT_EQ(serve_->Wait(), 0) << serve_->text();
}

TEST_F(ClusterTest, PlansOverWhatItsWorkersMeasured) {
  ServeWithWorkers();
  Process plan({kTern, "plan", model_, "--cluster", address_, "--use-all", "--context", "256"});
  EXPECT_EQ(plan.Wait(), 0) << plan.text();
  EXPECT_THAT(plan.text(), HasSubstr("Plan for throughput: 2 of 2 workers"));
  EXPECT_THAT(plan.text(), HasSubstr("alpha"));
  EXPECT_THAT(plan.text(), HasSubstr("beta"));
}

// A spare takes its place, and the client sees a pause, then what it would have seen.
TEST_F(ClusterTest, AWorkerThatIsKilledCostsTimeButNoToken) {
  ServeWithWorkers();
  AddWorker("gamma");
  serve_->WaitForLine("worker gamma joined");
  v1::GenerateRequest request = RequestFor("Once", 300);
  request.mutable_sampling()->set_temperature(1);
  request.mutable_sampling()->set_seed(5);
  request.mutable_sampling()->set_repetition_penalty(1.1f);
  const Generated generated = client_->Generate(request, [&](size_t tokens) {
    if (tokens == 1) workers_[1]->Signal(SIGKILL);
  });
  ASSERT_TRUE(generated.status.ok()) << generated.status.error_message();
  EXPECT_THAT(generated.tokens, SizeIs(300));
  EXPECT_EQ(workers_[1]->Wait(), kKilled);
  serve_->WaitForLine("(epoch 2)");
  const Generated again = client_->Generate(request);
  EXPECT_EQ(generated.tokens, again.tokens);
  EXPECT_EQ(generated.text, again.text);
}

TEST_F(ClusterTest, StatusIsForPeopleAndForScripts) {
  ServeWithWorkers();
  Process status({kTern, "status", "--coordinator", address_});
  EXPECT_EQ(status.Wait(), 0) << status.text();
  for (const char* words : {"serving (epoch 1)", "0 running, 0 waiting", "alpha", "beta"}) {
    EXPECT_THAT(status.text(), HasSubstr(words));
  }
  Process json({kTern, "status", "--coordinator", address_, "--json"});
  EXPECT_EQ(json.Wait(), 0) << json.text();
  for (const char* words : {"\"epoch\": 1", "\"state\": \"serving\"", "\"kv_pages\": "}) {
    EXPECT_THAT(json.text(), HasSubstr(words));
  }
  Process top({kTern, "top", "--coordinator", address_});
  EXPECT_EQ(top.Wait(), 0) << top.text();
  EXPECT_THAT(top.text(), HasSubstr("no terminal"));

  serve_->Signal(SIGKILL);
  serve_->Wait();
  Process none({kTern, "status", "--coordinator", address_});
  EXPECT_EQ(none.Wait(), 1);
  EXPECT_THAT(none.text(), HasSubstr(absl::StrCat("coordinator ", address_)));
}

TEST_F(ClusterTest, TopDrawsUntilQAndLeavesTheTerminalAsItWas) {
  ServeWithWorkers();
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_EQ(grantpt(terminal) | unlockpt(terminal), 0);
  const std::string name = ptsname(terminal);
  const int keyboard = open(name.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
  termios before{};
  ASSERT_EQ(tcgetattr(keyboard, &before), 0);
  Process top(
      {"/bin/sh", "-c",
       absl::StrCat("exec ", kTern, " top --coordinator ", address_, " <", name, " >", name)});
  std::string screen;
  const auto read_until = [&](const std::string& words) {
    char buffer[4096];
    while (screen.find(words) == std::string::npos) {
      const ssize_t count = read(terminal, buffer, sizeof(buffer));
      ASSERT_GT(count, 0);
      screen.append(buffer, static_cast<size_t>(count));
    }
  };
  read_until("\x1b[J");  // what ends each screen
  EXPECT_THAT(screen, HasSubstr("\x1b[?1049h"));
  // On the 80 columns of a terminal that does not say how many it has.
  for (const char* words : {"state", "busy", "queued", "memory", "alpha", "beta"}) {
    EXPECT_THAT(screen, HasSubstr(words));
  }
  EXPECT_EQ(write(terminal, "q", 1), 1);
  read_until("\x1b[?1049l");
  EXPECT_EQ(top.Wait(), 0) << top.text();
  termios after{};
  ASSERT_EQ(tcgetattr(keyboard, &after), 0);
  EXPECT_EQ(after.c_lflag, before.c_lflag);
  close(keyboard);
  close(terminal);
}

TEST_F(ClusterTest, LogsAreJsonIfAskedForAndNameEachRequest) {
  std::vector<std::string> command = ServeCommand("127.0.0.1:0");
  command.insert(command.end(), {"--log-format", "json", "--workers", "1"});
  serve_ = std::make_unique<Process>(command);
  address_ = serve_->WaitForLine("\"message\":\"listening on ");
  address_ = address_.substr(0, address_.find(';'));
  client_ = std::make_unique<InferenceClient>(address_);
  AddWorker("alpha");
  ASSERT_TRUE(client_->WaitUntilServing()) << serve_->text();
  grpc::ClientContext context;
  context.set_deadline(TestDeadline());
  context.AddMetadata("tern-request-id", "trace-17");
  const auto reader = client_->inference->Generate(&context, RequestFor("Once", 5));
  v1::GenerateResponse response;
  while (reader->Read(&response)) {
  }
  EXPECT_TRUE(reader->Finish().ok());
  serve_->WaitForLine("\"message\":\"request began\",\"request_id\":\"trace-17\"");
  const std::string ended =
      serve_->WaitForLine("\"message\":\"request ended\",\"request_id\":\"trace-17\"");
  EXPECT_THAT(ended, HasSubstr("\"outcome\":\"length\""));
  EXPECT_THAT(ended, HasSubstr("\"generated_tokens\":5,"));
}

TEST_F(ClusterTest, AWorkerThatIsKilledEndsItsRequestsWithItsName) {
  ServeWithWorkers({"--recovery-timeout", "0"});
  const Generated generated = GenerateWhile([&] { workers_[1]->Signal(SIGKILL); });
  EXPECT_EQ(generated.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(generated.status.error_message(), HasSubstr("worker beta"));
  EXPECT_EQ(workers_[1]->Wait(), kKilled);
  // The one that is left goes on alone.
  serve_->WaitForLine("plan (epoch 2): 1 stage");
  ASSERT_TRUE(client_->WaitUntilServing()) << serve_->text();
  EXPECT_THAT(client_->Generate(RequestFor("Once", 10)).tokens, SizeIs(10));
}

TEST_F(ClusterTest, AWorkerJoinsAndOneIsDrainedWithoutARequestLost) {
  constexpr size_t kClients = 3;
  ServeWithWorkers();
  const auto request = [](size_t client) {
    return RequestFor(absl::StrCat("Once ", client), 200, /*seed=*/client);
  };
  std::vector<Generated> alone;
  for (size_t i = 0; i < kClients; ++i) alone.push_back(client_->Generate(request(i)));

  std::atomic<bool> done = false;
  std::vector<std::thread> clients;
  for (size_t i = 0; i < kClients; ++i) {
    clients.emplace_back([&, i] {
      do {
        const Generated generated = client_->Generate(request(i));
        EXPECT_TRUE(generated.status.ok()) << generated.status.error_message();
        EXPECT_EQ(generated.tokens, alone[i].tokens);
        EXPECT_EQ(generated.text, alone[i].text);
      } while (!done);
    });
  }
  AddWorker("gamma");
  serve_->WaitForLine("worker gamma joined as a spare");
  // Somebody has to take over from alpha, and there must be two.
  Process drain({kTern, "drain", "alpha", "--coordinator", address_});
  EXPECT_EQ(drain.Wait(), 0) << drain.text();
  EXPECT_THAT(drain.text(), HasSubstr("worker alpha is drained"));
  EXPECT_EQ(workers_[0]->Wait(), 0) << workers_[0]->text();
  EXPECT_THAT(workers_[0]->text(), HasSubstr("dismissed by the coordinator: it was drained"));
  done = true;
  for (std::thread& client : clients) client.join();
  EXPECT_THAT(serve_->text(), HasSubstr("on worker gamma"));

  Process again({kTern, "drain", "alpha", "--coordinator", address_});
  EXPECT_EQ(again.Wait(), 1);
  EXPECT_THAT(again.text(), HasSubstr("no worker is named alpha"));
}

TEST_F(ClusterTest, AWorkerThatStopsAnsweringIsLostAndMayComeBack) {
  ServeWithWorkers({"--recovery-timeout", "0"});
  const Generated generated = GenerateWhile([&] { workers_[1]->Signal(SIGSTOP); });
  EXPECT_EQ(generated.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(generated.status.error_message(), HasSubstr("worker beta"));
  workers_[1]->Signal(SIGCONT);
  ASSERT_TRUE(client_->WaitUntilServing()) << serve_->text();
  EXPECT_THAT(client_->Generate(RequestFor("Once", 10)).tokens, SizeIs(10));
}

TEST_F(ClusterTest, ACoordinatorThatStopsAnsweringDoesNotKeepItsClientsForEver) {
  Serve({"--workers", "1"});
  AddWorker("alpha");
  ASSERT_TRUE(client_->WaitUntilServing()) << serve_->text();
  Process generate({kTern, "generate", "--coordinator", address_, "-n", absl::StrCat(kEndless),
                    "--ignore-eos", "Once"});
  serve_->WaitForLine("request began");
  serve_->Signal(SIGSTOP);
  EXPECT_EQ(generate.Wait(), 1);
  EXPECT_THAT(generate.text(), HasSubstr(address_));
}

TEST_F(ClusterTest, StopsWithoutWaitingForEverWhileARequestRuns) {
  ServeWithWorkers();
  const Generated generated = GenerateWhile([&] {
    serve_->Signal(SIGTERM);
    serve_->WaitForLine("stopping");
    serve_->Signal(SIGINT);
  });
  EXPECT_EQ(generated.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(serve_->Wait(), 128 + SIGINT);
}

TEST_F(ClusterTest, ARunningRequestIsFinishedBeforeTheCoordinatorStops) {
  ServeWithWorkers();
  const Generated generated = client_->Generate(RequestFor("Once", 200), [&](size_t tokens) {
    if (tokens == 1) serve_->Signal(SIGTERM);
  });
  EXPECT_TRUE(generated.status.ok()) << generated.status.error_message();
  EXPECT_THAT(generated.tokens, SizeIs(200));
  EXPECT_EQ(serve_->Wait(), 0);
}

TEST_F(ClusterTest, AClientThatDoesNotReadIsCutOff) {
  ServeWithWorkers();
  v1::GenerateRequest request = RequestFor("Once", kEndless);
  request.mutable_sampling()->set_logprobs(20);  // for large messages
  // A client whose gRPC reads little ahead for it.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 16 << 10);
  const auto inference = v1::Inference::NewStub(
      grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), arguments));
  grpc::ClientContext context;
  context.set_deadline(TestDeadline());
  const auto reader = inference->Generate(&context, request);
  v1::GenerateResponse response;
  ASSERT_TRUE(reader->Read(&response));
  // Both take part in every step: this one sees to it that the other is far ahead of its client.
  EXPECT_THAT(client_->Generate(RequestFor("Once", 2000)).tokens, SizeIs(2000));
  while (reader->Read(&response)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(ClusterTest, ACoordinatorTakesMoreClientsThanTheShellsLimitOfOpenFiles) {
  serve_ = std::make_unique<Process>(
      std::vector<std::string>{"/bin/sh", "-c", "ulimit -Sn 64; exec \"$@\"", "sh", kTern, "serve",
                               "--model", model_, "--listen", "127.0.0.1:0", "--workers", "1"});
  address_ = serve_->WaitForLine("listening on ");
  address_ = address_.substr(0, address_.find(';'));
  std::vector<std::unique_ptr<InferenceClient>> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(std::make_unique<InferenceClient>(address_));
  AddWorker("alpha");
  for (const auto& client : clients) ASSERT_TRUE(client->WaitUntilServing()) << serve_->text();
}

TEST_F(ClusterTest, WorkersWaitForACoordinatorThatIsNotThereYet) {
  Serve();
  const std::string address = address_;
  serve_->Signal(SIGKILL);
  serve_->Wait();
  Process& worker = AddWorker("early");
  worker.WaitForLine("waiting for the coordinator at " + address);
  worker.Signal(SIGINT);
  EXPECT_EQ(worker.Wait(), 0);
}

TEST_F(ClusterTest, AWorkerSaysAtOnceThatItsCacheCannotBeWritten) {
  Process worker({kTern, "worker", "--coordinator", "127.0.0.1:1", "--cache-dir", model_});
  EXPECT_THAT(worker.WaitForLine("cache directory: "), HasSubstr(model_ + "/in-use"));
}

TEST_F(ClusterTest, APortInUseIsAnError) {
  Serve();
  Process second(ServeCommand(address_));
  EXPECT_EQ(second.Wait(), 1);
  EXPECT_THAT(second.text(), HasSubstr(absl::StrCat("cannot listen on ", address_)));
}

TEST_F(ClusterTest, ThePortFileHoldsThePort) {
  const std::string port_file = directory_ + "/port";
  std::vector<std::string> command = ServeCommand("127.0.0.1:0");
  command.insert(command.end(), {"--port-file", port_file});
  Process serve(command);
  const std::string address = serve.WaitForLine("listening on 127.0.0.1:");
  serve.Signal(SIGTERM);
  EXPECT_EQ(serve.Wait(), 0);
  std::ifstream file(port_file);
  std::string port;
  std::getline(file, port);
  EXPECT_EQ(port, address.substr(0, address.find(';')));

  command.back() = directory_ + "/none/port";
  Process refused(command);
  EXPECT_EQ(refused.Wait(), 1);
  EXPECT_THAT(refused.text(), HasSubstr("/none/port: cannot be written: No such file"));
}

}  // namespace
}  // namespace tern
