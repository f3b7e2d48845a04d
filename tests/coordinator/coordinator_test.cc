// SPDX-License-Identifier: MIT
// A coordinator and workers in one process, over real gRPC connections on ports that the system
// chooses: what clients and workers can expect of tern.v1.
#include "coordinator/coordinator.h"

#include <grpcpp/generic/generic_stub.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/weights.grpc.pb.h"
#include "tests/support/http_get.h"
#include "tests/support/inference_client.h"
#include "tests/support/tiny_model.h"
#include "tests/support/worker_speed.h"
#include "worker/daemon.h"

namespace tern {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// A daemon and the thread that runs it.
class TestWorker {
 public:
  explicit TestWorker(const WorkerOptions& options) {
    auto daemon = WorkerDaemon::Create(options);
    EXPECT_TRUE(daemon.ok()) << daemon.status();
    daemon_ = *std::move(daemon);
    thread_ = std::thread([this] { result_ = daemon_->Run(); });
  }
  ~TestWorker() { Stop(); }

  // Waits for the end of Run, which is not asked for.
  absl::Status WaitForEnd() {
    thread_.join();
    return result_;
  }
  void Stop() {
    daemon_->Stop();
    if (thread_.joinable()) thread_.join();
  }
  std::string Metrics() const { return HttpGet(daemon_->metrics_port(), "/metrics"); }

 private:
  std::unique_ptr<WorkerDaemon> daemon_;
  absl::Status result_;
  std::thread thread_;
};

class CoordinatorTest : public ::testing::Test {
 protected:
  CoordinatorTest() {
    std::string pattern = ::testing::TempDir() + "tern-coordinator-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    // What else is cached must not come from, or go to, the user's own.
    setenv("XDG_CACHE_HOME", directory_.c_str(), 1);
  }
  ~CoordinatorTest() override {
    workers_.clear();
    client_.reset();
    coordinator_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Serve(uint32_t workers, const std::string& model = TinyModelPath(),
             const std::string& listen = "127.0.0.1:0") {
    CoordinatorOptions options;
    options.model_path = model;
    options.listen = listen;
    options.workers = workers;
    options.prefill_chunk = 8;
    options.metrics = metrics_;
    auto coordinator = Coordinator::Create(options);
    ASSERT_TRUE(coordinator.ok()) << coordinator.status();
    coordinator_ = *std::move(coordinator);
    client_ = std::make_unique<InferenceClient>(coordinator_->address());
  }

  // A coordinator whose file the workers cannot see: it has it open.
  void ServeFromACopy(uint32_t workers) {
    const std::string copy = directory_ + "/model.gguf";
    std::filesystem::copy_file(TinyModelPath(), copy);
    Serve(workers, copy);
    std::filesystem::remove(copy);
  }

  WorkerOptions OptionsFor(const std::string& name) {
    WorkerOptions options;
    options.speed = SpeedOf(1e9);
    options.coordinator = coordinator_->address();
    options.name = name;
    options.threads = 1;
    options.cpuset = "none";
    options.cache_directory = directory_ + "/cache";
    options.metrics = metrics_;
    return options;
  }

  TestWorker& AddWorker(const std::string& name) {
    workers_.push_back(std::make_unique<TestWorker>(OptionsFor(name)));
    return *workers_.back();
  }

  void ServeWithWorkers(uint32_t workers) {
    Serve(workers);
    for (uint32_t i = 0; i < workers; ++i) AddWorker(absl::StrCat("w", i));
    ASSERT_TRUE(client_->WaitUntilServing());
  }

  std::string Metrics() const { return HttpGet(coordinator_->metrics_port(), "/metrics"); }

  std::string directory_;
  std::string metrics_;  // where coordinator and workers give them out; empty: nowhere
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<InferenceClient> client_;
  std::vector<std::unique_ptr<TestWorker>> workers_;
};

TEST_F(CoordinatorTest, TheSameTokensOnAnyNumberOfWorkers) {
  std::vector<uint32_t> tokens;
  std::string text;
  for (uint32_t workers = 1; workers <= 3; ++workers) {
    ServeWithWorkers(workers);
    const Generated generated = client_->Generate(RequestFor("It is a truth", 40));
    ASSERT_TRUE(generated.status.ok()) << generated.status.error_message();
    EXPECT_THAT(generated.tokens, SizeIs(40));
    EXPECT_EQ(generated.finish.reason(), "length");
    EXPECT_EQ(generated.finish.generated_tokens(), 40);
    EXPECT_EQ(generated.finish.seed(), 1);
    if (workers == 1) {
      tokens = generated.tokens;
      text = generated.text;
    }
    EXPECT_EQ(generated.tokens, tokens) << workers << " workers";
    EXPECT_EQ(generated.text, text) << workers << " workers";
    workers_.clear();
    coordinator_.reset();
  }
}

TEST_F(CoordinatorTest, RequestsShareThePipeline) {
  ServeWithWorkers(2);
  std::vector<std::vector<uint32_t>> alone;
  for (uint64_t i = 0; i < 8; ++i) {
    alone.push_back(client_->Generate(RequestFor(absl::StrCat("Request ", i), 20, i)).tokens);
  }
  std::vector<Generated> together(8);
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      together[i] = client_->Generate(RequestFor(absl::StrCat("Request ", i), 20, i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (uint64_t i = 0; i < 8; ++i) {
    EXPECT_TRUE(together[i].status.ok()) << together[i].status.error_message();
    EXPECT_EQ(together[i].tokens, alone[i]) << i;
  }
}

TEST_F(CoordinatorTest, ASeedIsDrawnAndToldSoThatARunCanBeRepeated) {
  ServeWithWorkers(1);
  v1::GenerateRequest request = RequestFor("Once", 20);
  request.mutable_sampling()->clear_seed();
  const Generated first = client_->Generate(request);
  request.mutable_sampling()->set_seed(first.finish.seed());
  EXPECT_EQ(client_->Generate(request).tokens, first.tokens);
}

TEST_F(CoordinatorTest, LogprobsComeWhereTheyAreAskedFor) {
  ServeWithWorkers(2);
  v1::GenerateRequest request = RequestFor("Once", 3);
  request.mutable_sampling()->set_logprobs(5);
  grpc::ClientContext context;
  context.set_deadline(TestDeadline());
  const auto reader = client_->inference->Generate(&context, request);
  v1::GenerateResponse response;
  int tokens = 0;
  while (reader->Read(&response)) {
    if (!response.has_token()) continue;
    ++tokens;
    EXPECT_TRUE(response.token().has_logprob());
    EXPECT_LE(response.token().logprob(), 0);
    ASSERT_EQ(response.token().top_size(), 5);
    EXPECT_GE(response.token().top(0).logprob(), response.token().top(4).logprob());
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(tokens, 3);
}

TEST_F(CoordinatorTest, BadRequestsAreRefusedByName) {
  ServeWithWorkers(1);
  struct Case {
    const char* words;
    std::function<void(v1::GenerateRequest&)> spoil;
  };
  const std::vector<Case> cases = {
      {"temperature", [](auto& r) { r.mutable_sampling()->set_temperature(-1); }},
      {"top_p", [](auto& r) { r.mutable_sampling()->set_top_p(2); }},
      {"min_p", [](auto& r) { r.mutable_sampling()->set_min_p(-0.5f); }},
      {"repetition_penalty", [](auto& r) { r.mutable_sampling()->set_repetition_penalty(0); }},
      {"logprobs", [](auto& r) { r.mutable_sampling()->set_logprobs(21); }},
      {"max_tokens", [](auto& r) { r.mutable_limits()->set_max_tokens(0); }},
      {"stop", [](auto& r) { r.mutable_limits()->add_stop(""); }},
      {"tokens", [](auto& r) { r.mutable_tokens()->add_ids(320); }},
      {"tokens", [](auto& r) { r.mutable_tokens()->add_ids(0xFFFFFFFF); }},
      {"prompt", [](auto& r) { r.mutable_tokens(); }},
      {"context", [](auto& r) { r.set_prompt(std::string(1000, 'x')); }},
      {"bytes", [](auto& r) { r.set_prompt(std::string(5 << 20, 'x')); }},
  };
  for (const Case& bad : cases) {
    v1::GenerateRequest request = RequestFor("Once", 3);
    bad.spoil(request);
    const Generated generated = client_->Generate(request);
    EXPECT_EQ(generated.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << bad.words;
    EXPECT_THAT(generated.status.error_message(), HasSubstr(bad.words));
    EXPECT_THAT(generated.tokens, IsEmpty());
  }
  // None of them harmed the pipeline.
  EXPECT_TRUE(client_->Generate(RequestFor("Once", 3)).status.ok());
}

TEST_F(CoordinatorTest, ChatTokenizeAndGetModel) {
  ServeWithWorkers(2);
  v1::ChatRequest chat;
  v1::ChatMessage* message = chat.add_messages();
  message->set_role("user");
  message->set_content("Hello");
  chat.mutable_limits()->set_max_tokens(5);
  chat.mutable_limits()->set_ignore_eos(true);
  EXPECT_THAT(client_->Chat(chat).tokens, SizeIs(5));
  message->set_role("nobody");
  EXPECT_EQ(client_->Chat(chat).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  grpc::ClientContext context;
  v1::TokenizeRequest text;
  text.set_text("Hello there");
  v1::TokenizeResponse tokens;
  ASSERT_TRUE(client_->inference->Tokenize(&context, text, &tokens).ok());
  ASSERT_EQ(tokens.ids_size(), tokens.pieces_size());
  std::string joined;
  for (const std::string& piece : tokens.pieces()) joined += piece;
  EXPECT_EQ(joined, "Hello there");

  const v1::GetModelResponse model = client_->GetModel();
  EXPECT_EQ(model.name(), "tiny");
  EXPECT_EQ(model.layers(), 5);
  EXPECT_TRUE(IsSha256Hex(model.digest()));
  EXPECT_EQ(model.epoch(), 1);
  ASSERT_EQ(model.stages_size(), 2);
  EXPECT_EQ(model.stages(0).first_layer(), 0);
  EXPECT_EQ(model.stages(0).end_layer(), model.stages(1).first_layer());
  EXPECT_EQ(model.stages(1).end_layer(), 5);
}

TEST_F(CoordinatorTest, WithoutAPipelineRequestsMayBeRetried) {
  Serve(1);
  EXPECT_TRUE(client_->WaitUntilNotServing());
  const Generated generated = client_->Generate(RequestFor("Once", 3));
  EXPECT_EQ(generated.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(client_->GetModel().epoch(), 0);
  v1::GetStatusResponse status;
  do {
    grpc::ClientContext context;
    context.set_deadline(TestDeadline());
    const grpc::Status read = client_->cluster->GetStatus(&context, {}, &status);
    ASSERT_TRUE(read.ok()) << read.error_message();
  } while (status.why_down().empty());
  EXPECT_EQ(status.why_down(), "waiting for 1 more worker (0 of 1 here)");
}

TEST_F(CoordinatorTest, ACancelledRequestFreesItsMemory) {
  ServeWithWorkers(2);
  for (int i = 0; i < 20; ++i) {
    grpc::ClientContext context;
    context.set_deadline(TestDeadline());
    // All the KV cache there is would be taken by two of them.
    const auto reader = client_->inference->Generate(&context, RequestFor("Once", 200));
    v1::GenerateResponse response;
    ASSERT_TRUE(reader->Read(&response));
    context.TryCancel();
    while (reader->Read(&response)) {
    }
    reader->Finish();  // CANCELLED, or OK if it was done before
  }
  EXPECT_THAT(client_->Generate(RequestFor("Once", 200)).tokens, SizeIs(200));
}

TEST_F(CoordinatorTest, WhatAWorkerLacksItFetches) {
  ServeFromACopy(2);
  AddWorker("a");
  AddWorker("b");
  ASSERT_TRUE(client_->WaitUntilServing());
  EXPECT_THAT(client_->Generate(RequestFor("Once", 10)).tokens, SizeIs(10));
  size_t cached = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_ + "/cache/tensors")) {
    EXPECT_TRUE(IsSha256Hex(entry.path().filename()));
    ++cached;
  }
  EXPECT_EQ(cached, 5 * 11 + 2);
}

// Each worker has a cache of its own, as on machines of their own.
TEST_F(CoordinatorTest, OneCopyLeavesTheCoordinator) {
  ServeFromACopy(3);
  const std::vector<std::string> names = {"a", "b", "c"};
  for (const std::string& name : names) {
    WorkerOptions options = OptionsFor(name);
    options.cache_directory = directory_ + "/cache-" + name;
    workers_.push_back(std::make_unique<TestWorker>(options));
  }
  ASSERT_TRUE(client_->WaitUntilServing());
  uint64_t held = 0;
  std::map<std::string, uint64_t> tensors;
  for (const std::string& name : names) {
    for (const auto& entry :
         std::filesystem::directory_iterator(directory_ + "/cache-" + name + "/tensors")) {
      held += entry.file_size();
      tensors[entry.path().filename()] = entry.file_size();
    }
  }
  uint64_t all = 0;
  for (const auto& [digest, bytes] : tensors) all += bytes;
  EXPECT_GT(held, all) << "the embedding is also the head: the first and the last stage want it";
  EXPECT_EQ(coordinator_->weight_bytes_sent(), all);
  EXPECT_THAT(client_->Generate(RequestFor("Once", 10)).tokens, SizeIs(10));
}

TEST_F(CoordinatorTest, AWarmStartFetchesNothing) {
  for (const bool is_warm : {false, true}) {
    ServeFromACopy(1);
    AddWorker("w");
    ASSERT_TRUE(client_->WaitUntilServing());
    EXPECT_EQ(coordinator_->weight_bytes_sent() == 0, is_warm);
    workers_.clear();
    client_.reset();
    coordinator_.reset();
  }
}

TEST_F(CoordinatorTest, OnlyTensorsOfTheModelAreServed) {
  Serve(1);
  const auto fetch = [&](const std::string& sha256, uint64_t offset) {
    grpc::ClientContext context;
    context.set_deadline(TestDeadline());
    v1::FetchTensorRequest request;
    request.set_sha256(sha256);
    request.set_offset(offset);
    const auto reader = v1::Weights::NewStub(client_->channel)->FetchTensor(&context, request);
    v1::TensorChunk chunk;
    while (reader->Read(&chunk)) {
    }
    return reader->Finish().error_code();
  };
  EXPECT_EQ(fetch(std::string(64, 'a'), 0), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(fetch("../../etc/passwd", 0), grpc::StatusCode::NOT_FOUND);
}

TEST_F(CoordinatorTest, ASpareTakesThePlaceOfALostWorker) {
  ServeWithWorkers(2);
  const std::vector<uint32_t> tokens = client_->Generate(RequestFor("Once", 30)).tokens;
  AddWorker("spare");
  workers_[0]->Stop();
  // It waits for the next pipeline, or has begun on the old one and goes on over the next.
  const Generated again = client_->Generate(RequestFor("Once", 30));
  ASSERT_TRUE(again.status.ok()) << again.status.error_message();
  EXPECT_EQ(again.tokens, tokens);
}

TEST_F(CoordinatorTest, SamplesAreToldApartAndATimeoutEndsThem) {
  ServeWithWorkers(1);
  v1::GenerateRequest request = RequestFor("Once", 20, /*seed=*/40);
  request.mutable_limits()->set_n(3);
  grpc::ClientContext context;
  context.set_deadline(TestDeadline());
  const auto reader = client_->inference->Generate(&context, request);
  std::map<uint32_t, std::vector<uint32_t>> tokens;
  std::map<uint32_t, uint64_t> seeds;
  v1::GenerateResponse response;
  while (reader->Read(&response)) {
    if (response.has_token()) tokens[response.index()].push_back(response.token().id());
    if (response.has_finish()) seeds[response.index()] = response.finish().seed();
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(seeds, (std::map<uint32_t, uint64_t>{{0, 40}, {1, 41}, {2, 42}}));
  EXPECT_EQ(tokens[2], client_->Generate(RequestFor("Once", 20, 42)).tokens);
  EXPECT_NE(tokens[2], tokens[0]);

  request.mutable_limits()->set_timeout_ms(0);
  EXPECT_EQ(client_->Generate(request).status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(CoordinatorTest, AFullQueueSaysWhenToTryAgain) {
  ServeWithWorkers(1);
  v1::GenerateRequest request = RequestFor("Once", 200);
  request.mutable_limits()->set_n(64);
  std::vector<grpc::ClientContext> contexts(18);  // more than 1024 sequences
  std::vector<std::unique_ptr<grpc::ClientReader<v1::GenerateResponse>>> readers;
  for (grpc::ClientContext& context : contexts) {
    context.set_deadline(TestDeadline());
    readers.push_back(client_->inference->Generate(&context, request));
  }
  // Goes first as long as it finds a place.
  v1::GenerateRequest urgent = RequestFor("Once", 1);
  urgent.mutable_limits()->set_priority(v1::PRIORITY_HIGH);
  v1::GenerateResponse response;
  std::string retry_ms;
  grpc::Status status;
  do {
    grpc::ClientContext context;
    context.set_deadline(TestDeadline());
    const auto reader = client_->inference->Generate(&context, urgent);
    while (reader->Read(&response)) {
    }
    status = reader->Finish();
    const auto& metadata = context.GetServerTrailingMetadata();
    const auto found = metadata.find("retry-after-ms");
    if (found != metadata.end()) retry_ms.assign(found->second.data(), found->second.size());
  } while (status.ok());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr("try again in " + retry_ms + " ms"));
  for (grpc::ClientContext& context : contexts) context.TryCancel();
  for (const auto& reader : readers) {
    while (reader->Read(&response)) {
    }
    reader->Finish();
  }
}

TEST_F(CoordinatorTest, WorkersOutliveTheirCoordinator) {
  ServeWithWorkers(2);
  const std::string address = coordinator_->address();
  const std::vector<uint32_t> tokens = client_->Generate(RequestFor("Once", 30)).tokens;
  client_.reset();
  coordinator_.reset();
  Serve(2, TinyModelPath(), address);
  ASSERT_TRUE(client_->WaitUntilServing());
  EXPECT_EQ(client_->Generate(RequestFor("Once", 30)).tokens, tokens);
}

TEST_F(CoordinatorTest, AWorkerOfAnotherVersionIsRefusedAndToldWhy) {
  Serve(1);
  WorkerOptions options = OptionsFor("old");
  options.version = "0.0.1";
  TestWorker worker(options);
  const absl::Status refused = worker.WaitForEnd();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.ToString(), HasSubstr("found 0.0.1, want "));
}

TEST_F(CoordinatorTest, DrainingRefusesWhatIsNew) {
  ServeWithWorkers(1);
  EXPECT_TRUE(coordinator_->Drain(absl::Seconds(60)));
  EXPECT_TRUE(client_->WaitUntilNotServing());
  const Generated generated = client_->Generate(RequestFor("Once", 3));
  EXPECT_EQ(generated.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(generated.status.error_message(), HasSubstr("shutting down"));
}

TEST_F(CoordinatorTest, PrometheusReadsWhatHappened) {
  metrics_ = "127.0.0.1:0";
  ServeWithWorkers(1);
  const Generated generated = client_->Generate(RequestFor("Once", 40));
  ASSERT_TRUE(generated.status.ok()) << generated.status.error_message();
  v1::GenerateRequest bad = RequestFor("Once", 3);
  bad.mutable_sampling()->set_temperature(-1);
  EXPECT_EQ(client_->Generate(bad).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  const std::string of_coordinator = Metrics();
  for (const std::string& line :
       {std::string("tern_requests_total{outcome=\"length\"} 1"),
        std::string("tern_requests_total{outcome=\"invalid_argument\"} 1"),
        std::string("tern_requests_total{outcome=\"unavailable\"} 0"),
        std::string("tern_generated_tokens_total 40"),
        std::string("tern_time_to_first_token_seconds_count 1"),
        std::string("tern_time_to_first_token_seconds_bucket{le=\"+Inf\"} 1"),
        std::string("tern_inter_token_seconds_count 39"), std::string("tern_pipeline_up 1"),
        std::string("tern_epoch 1"), std::string("tern_workers{state=\"serving\"} 1"),
        std::string("tern_queue_requests 0"), std::string("tern_build_info{version=\"")}) {
    EXPECT_THAT(of_coordinator, HasSubstr("\n" + line));
  }
  for (const auto& worker : workers_) {
    const std::string text = worker->Metrics();
    EXPECT_THAT(text, HasSubstr("\ntern_epoch 1\n"));
    // A step for each chunk of the prompt and each token but the first.
    EXPECT_THAT(text, Not(HasSubstr("\ntern_steps_total 0\n")));
    EXPECT_THAT(text, HasSubstr("\n# TYPE tern_step_seconds histogram\n"));
  }
}

TEST_F(CoordinatorTest, PromtoolFindsNothingToComplainAbout) {
  if (std::system("command -v promtool >/dev/null") != 0) {
    GTEST_SKIP() << "promtool is not installed (Debian package prometheus)";
  }
  metrics_ = "127.0.0.1:0";
  ServeWithWorkers(1);
  EXPECT_THAT(client_->Generate(RequestFor("Once", 3)).tokens, SizeIs(3));
  const std::string path = directory_ + "/metrics";
  for (const std::string& page : {Metrics(), workers_[0]->Metrics()}) {
    std::ofstream(path) << page;
    EXPECT_EQ(std::system(absl::StrCat("promtool check metrics <", path).c_str()), 0) << page;
  }
}

TEST_F(CoordinatorTest, StatusTellsThePlanTheWorkersAndTheLoad) {
  ServeWithWorkers(2);
  AddWorker("spare");
  EXPECT_THAT(client_->Generate(RequestFor("Once", 40)).tokens, SizeIs(40));
  v1::GetStatusResponse status;
  do {  // until the spare has registered, and the engine tells what it did last
    grpc::ClientContext context;
    context.set_deadline(TestDeadline());
    const grpc::Status read = client_->cluster->GetStatus(&context, {}, &status);
    ASSERT_TRUE(read.ok()) << read.error_message();
  } while (status.workers_size() < 3 || status.load().generated_tokens() < 40);
  EXPECT_EQ(status.model(), "tiny");
  EXPECT_GT(status.uptime_seconds(), 0);
  EXPECT_GE(status.epoch(), 1);
  ASSERT_GE(status.stages_size(), 1);
  EXPECT_GT(status.stages(0).weight_bytes(), 0);
  EXPECT_GT(status.stages(0).kv_bytes(), 0);
  EXPECT_EQ(status.stages(0).first_layer(), 0);
  EXPECT_EQ(status.stages(status.stages_size() - 1).end_layer(), 5);
  for (const v1::WorkerStatus& worker : status.workers()) {
    EXPECT_EQ(worker.threads(), 1);
    EXPECT_GT(worker.memory_bytes(), 0);
    EXPECT_THAT(worker.hostname(), Not(IsEmpty()));
    const bool has_none = worker.state() == "spare" || worker.state() == "fetching";
    EXPECT_EQ(has_none, worker.end_layer() == 0) << worker.name();
  }
  EXPECT_EQ(status.load().generated_tokens(), 40);
  EXPECT_GT(status.load().steps_done(), 0);
  EXPECT_GT(status.load().kv_pages(), 0);
  EXPECT_EQ(status.load().free_kv_pages(), status.load().kv_pages());
}

TEST_F(CoordinatorTest, RequestsHaveIdsThatClientsMayChoose) {
  ServeWithWorkers(1);
  const auto id_of = [&](const std::string& wish, const v1::GenerateRequest& request) {
    grpc::ClientContext context;
    context.set_deadline(TestDeadline());
    if (!wish.empty()) context.AddMetadata("tern-request-id", wish);
    const auto reader = client_->inference->Generate(&context, request);
    v1::GenerateResponse response;
    while (reader->Read(&response)) {
    }
    reader->Finish();
    const auto found = context.GetServerInitialMetadata().find("tern-request-id");
    if (found == context.GetServerInitialMetadata().end()) return std::string("none");
    return std::string(found->second.data(), found->second.size());
  };
  EXPECT_EQ(id_of("trace-17", RequestFor("Once", 3)), "trace-17");
  const std::string drawn = id_of("", RequestFor("Once", 3));
  EXPECT_THAT(drawn, SizeIs(16));
  EXPECT_NE(id_of("", RequestFor("Once", 3)), drawn);
  EXPECT_THAT(id_of(std::string(129, 'x'), RequestFor("Once", 3)), SizeIs(16));
  EXPECT_EQ(id_of("refused", v1::GenerateRequest()), "refused");
}

TEST_F(CoordinatorTest, ReflectionListsTheServices) {
  Serve(1);
  grpc::GenericStub stub(client_->channel);
  grpc::ClientContext context;
  context.set_deadline(TestDeadline());
  grpc::CompletionQueue queue;
  void* tag = nullptr;
  bool ok = false;
  const auto stream = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  stream->StartCall(nullptr);
  queue.Next(&tag, &ok);
  const grpc::Slice list_services(std::string("\x3a\0", 2));  // field 7, an empty string
  stream->WriteLast(grpc::ByteBuffer(&list_services, 1), {}, nullptr);
  queue.Next(&tag, &ok);
  grpc::ByteBuffer reply;
  stream->Read(&reply, nullptr);
  queue.Next(&tag, &ok);
  grpc::Status status;
  stream->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
  ASSERT_TRUE(status.ok()) << status.error_message();
  grpc::Slice bytes;
  ASSERT_TRUE(reply.DumpToSingleSlice(&bytes).ok());
  const std::string names(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
  for (const char* name :
       {"tern.v1.Inference", "tern.v1.Cluster", "tern.v1.Stage", "grpc.health.v1.Health"}) {
    EXPECT_THAT(names, HasSubstr(name));
  }
}

TEST_F(CoordinatorTest, OptionsThatCannotBeAreRefused) {
  Serve(1);
  const auto refusal = [](const std::function<void(CoordinatorOptions&)>& spoil) {
    CoordinatorOptions options;
    options.model_path = TinyModelPath();
    options.listen = "127.0.0.1:0";
    spoil(options);
    return Coordinator::Create(options).status().ToString();
  };
  EXPECT_THAT(refusal([&](auto& o) { o.listen = coordinator_->address(); }), HasSubstr("in use"));
  EXPECT_THAT(refusal([](auto& o) { o.listen = "0.0.0.0:0"; }), HasSubstr("--insecure"));
  EXPECT_THAT(refusal([](auto& o) { o.listen = "nonsense"; }), HasSubstr("--listen"));
  EXPECT_THAT(refusal([](auto& o) { o.metrics = "0.0.0.0:0"; }), HasSubstr("--insecure"));
  EXPECT_THAT(refusal([&](auto& o) { o.metrics = coordinator_->address(); }),
              HasSubstr("metrics: cannot listen on"));
  EXPECT_THAT(refusal([](auto& o) { o.model_path = "/no/such/file"; }), HasSubstr("/no/such/file"));
  EXPECT_THAT(refusal([](auto& o) { o.workers = 0; }), HasSubstr("--workers"));
  EXPECT_THAT(refusal([](auto& o) { o.max_rows = 0; }), HasSubstr("--max-rows"));
  EXPECT_THAT(refusal([](auto& o) { o.prefill_chunk = 0; }), HasSubstr("--prefill-chunk"));
}

}  // namespace
}  // namespace tern
