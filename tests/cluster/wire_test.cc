// SPDX-License-Identifier: MIT
#include "cluster/wire.h"

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "cluster/manifest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/random_model.h"

namespace tern {
namespace {

using ::testing::HasSubstr;

const std::string kDigest(64, 'a');
const std::string kOtherDigest(64, 'b');

Hello SomeHello() {
  return {.name = "box:17",
          .version = "1.2.3",
          .protocol = 5,
          .host = "7c0e",
          .hostname = "box",
          .cores = {{0, {0, 4}}, {1, {2, 6}}},
          .automatic = true,
          .cpus = {2, 6}};
}

RegisterWorker SomeRegistration() {
  return {.name = "box:17",
          .data_address = "10.0.0.1:7100",
          .unix_address = "unix:/run/tern-1-a.sock",
          .version = "1.2.3",
          .protocol = 5,
          .machine = "1 package",
          .cpuset = "0-3",
          .isa = "avx2",
          .threads = 4,
          .memory_bytes = uint64_t{5} << 32,
          .speed = {.ternary = {{1, 2, 3, 4}},
                    .dense = {{5, 6, 7, 8}},
                    .attention = 9,
                    .attention_q8 = 11,
                    .read_bytes_per_second = 10}};
}

// The middle stage of three.
PrepareStage SomeStage() {
  const RandomModel model(SmallConfig(), 1);
  ModelManifest manifest = *BuildManifest(SmallConfig(), model);
  for (TensorRef& tensor : manifest.tensors) tensor.peers = {"10.0.0.9:7100", "10.0.0.8:7100"};
  return {.epoch = 3,
          .config = manifest.config,
          .model_digest = manifest.digest,
          .rope_digest = kOtherDigest,
          .tensors = StageTensors(manifest, {1, 4}),
          .model_path = "/models/x.gguf",
          .layers = {1, 4},
          .stage = 1,
          .stages = 3,
          .next_address = "10.0.0.2:7100",
          .next_unix_address = "unix:/run/tern-2-b.sock",
          .kv_type = KvType::kQ8,
          .kv_pages = 99,
          .max_rows = 256,
          .wire = WireType::kBf16};
}

std::vector<WorkerMessage> WorkerMessages() {
  return {SomeHello(),
          SomeRegistration(),
          LinkProbed{7, absl::OkStatus(), {1e9, 2e-5}},
          LinkProbed{7, absl::UnavailableError("no route"), {}},
          StagePrefetched{3, absl::NotFoundError("no tensor"), 0},
          LoadProgress{3, 0.5f, "cache"},
          StageReady{3, kDigest, kOtherDigest, uint64_t{1} << 40, uint64_t{1} << 39},
          StageCommitted{3},
          StageFailed{3, absl::DataLossError("tensor x: damaged")},
          Heartbeat{3, 17, 2, absl::Milliseconds(250)},
          Leaving{}};
}

std::vector<CoordinatorMessage> CoordinatorMessages() {
  return {Welcome{"1.2.3", {4, 6}},
          SomeStage(),
          CommitStage{3},
          AbandonStage{3, "worker b was lost"},
          ProbeLink{7, "10.0.0.2:7100"},
          PrefetchStage{SomeStage()},
          Dismiss{"it was drained"}};
}

// Every field of `message`'s one kind, set to something that is not its default, so that a
// conversion that forgets one shows.
void ExpectEveryFieldSet(const google::protobuf::Message& message) {
  std::vector<const google::protobuf::FieldDescriptor*> kinds;
  message.GetReflection()->ListFields(message, &kinds);
  ASSERT_EQ(kinds.size(), 1);
  const google::protobuf::Message& kind =
      message.GetReflection()->GetMessage(message, kinds.front());
  const std::string& name = kind.GetDescriptor()->name();
  if (name == "LinkProbed" || name == "StagePrefetched") return;  // results or an error
  for (int i = 0; i < kind.GetDescriptor()->field_count(); ++i) {
    const google::protobuf::FieldDescriptor* field = kind.GetDescriptor()->field(i);
    const bool set = field->is_repeated() ? kind.GetReflection()->FieldSize(kind, field) > 0
                                          : kind.GetReflection()->HasField(kind, field);
    EXPECT_TRUE(set) << field->full_name();
  }
}

template <typename Message>
void ExpectRoundTrip(const std::vector<Message>& messages) {
  for (const Message& message : messages) {
    const auto proto = ToProto(message);
    ExpectEveryFieldSet(proto);
    const absl::StatusOr<Message> back = FromProto(proto);
    ASSERT_TRUE(back.ok()) << back.status() << " for " << proto.ShortDebugString();
    EXPECT_EQ(back->index(), message.index());
    EXPECT_EQ(ToProto(*back).SerializeAsString(), proto.SerializeAsString());
  }
}

TEST(WireTest, EveryMessageComesBackAsItWasSent) {
  ExpectRoundTrip(WorkerMessages());
  ExpectRoundTrip(CoordinatorMessages());
}

TEST(WireTest, TheLastStageHasNoNextAddress) {
  PrepareStage stage = SomeStage();
  stage.layers = {4, 5};
  stage.stage = 2;
  stage.next_address = "";
  const RandomModel model(SmallConfig(), 1);
  stage.tensors = StageTensors(*BuildManifest(SmallConfig(), model), stage.layers);
  EXPECT_TRUE(FromProto(ToProto(CoordinatorMessage(stage))).ok());
  stage.next_address = "10.0.0.2:7100";
  EXPECT_FALSE(FromProto(ToProto(CoordinatorMessage(stage))).ok());
}

TEST(WireTest, MessagesOfNoKindAreRefused) {
  EXPECT_FALSE(FromProto(v1::WorkerMessage()).ok());
  EXPECT_FALSE(FromProto(v1::CoordinatorMessage()).ok());
  // Of a kind without any field, likewise, where a field must be set.
  v1::CoordinatorMessage empty;
  empty.mutable_prepare();
  EXPECT_FALSE(FromProto(empty).ok());
}

TEST(WireTest, WhatAnErrorQuotesCannotBreakTheMessage) {
  const StageFailed failed{3, absl::UnknownError("line one\nline two\x1b[31m\x7f")};
  const absl::StatusOr<WorkerMessage> back = FromProto(ToProto(WorkerMessage(failed)));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(std::get<StageFailed>(*back).status.message(), "line one line two [31m ");
}

TEST(WireTest, HellosAndProbesOutOfRangeAreRefusedByName) {
  const auto refusal = [](const v1::WorkerMessage& proto) {
    return std::string(FromProto(proto).status().message());
  };
  v1::WorkerMessage hello = ToProto(WorkerMessage(SomeHello()));
  hello.mutable_hello()->clear_host();
  EXPECT_THAT(refusal(hello), HasSubstr("host"));
  hello = ToProto(WorkerMessage(SomeHello()));
  hello.mutable_hello()->clear_cores();
  EXPECT_THAT(refusal(hello), HasSubstr("cores"));
  hello = ToProto(WorkerMessage(SomeHello()));
  hello.mutable_hello()->mutable_cores(0)->clear_cpus();
  EXPECT_THAT(refusal(hello), HasSubstr("cores.cpus"));
  hello = ToProto(WorkerMessage(SomeHello()));
  hello.mutable_hello()->add_cpus(2);
  EXPECT_THAT(refusal(hello), HasSubstr("2 twice"));
  hello.mutable_hello()->set_cpus(2, 70000);
  EXPECT_THAT(refusal(hello), HasSubstr("cpus"));
  for (const double rate : {0.0, -1.0, std::numeric_limits<double>::infinity()}) {
    v1::WorkerMessage probed = ToProto(WorkerMessage(LinkProbed{7, absl::OkStatus(), {1, 0}}));
    probed.mutable_link_probed()->mutable_speed()->set_bytes_per_second(rate);
    EXPECT_THAT(refusal(probed), HasSubstr("bytes_per_second"));
  }
  v1::WorkerMessage probed = ToProto(WorkerMessage(LinkProbed{7, absl::OkStatus(), {1, -1}}));
  EXPECT_THAT(refusal(probed), HasSubstr("latency_seconds"));
  probed.mutable_link_probed()->set_code(17);
  EXPECT_THAT(refusal(probed), HasSubstr("code"));
  v1::CoordinatorMessage probe = ToProto(CoordinatorMessage(ProbeLink{7, "10.0.0.2:7100"}));
  probe.mutable_probe_link()->set_address("nowhere");
  EXPECT_FALSE(FromProto(probe).ok());
}

struct BadRegistration {
  const char* field;
  std::function<void(v1::Register&)> spoil;
};

TEST(WireTest, RegistrationsOutOfRangeAreRefusedByName) {
  const std::vector<BadRegistration> cases = {
      {"name", [](v1::Register& r) { r.clear_name(); }},
      {"name", [](v1::Register& r) { r.set_name(std::string(257, 'x')); }},
      {"name", [](v1::Register& r) { r.set_name("\x1b[2J"); }},
      {"data_address", [](v1::Register& r) { r.set_data_address("nonsense"); }},
      {"data_address", [](v1::Register& r) { r.set_data_address("10.0.0.1:0"); }},
      {"version", [](v1::Register& r) { r.clear_version(); }},
      {"machine", [](v1::Register& r) { r.set_machine("a\nb"); }},
      {"cpuset", [](v1::Register& r) { r.set_cpuset(std::string(5000, '1')); }},
      {"isa", [](v1::Register& r) { r.set_isa("\r"); }},
      {"threads", [](v1::Register& r) { r.set_threads(0); }},
      {"threads", [](v1::Register& r) { r.set_threads(1 << 20); }},
      {"speed.ternary", [](v1::Register& r) { r.clear_speed(); }},
      {"speed.ternary", [](v1::Register& r) { r.mutable_speed()->add_ternary(1); }},
      {"speed.ternary", [](v1::Register& r) { r.mutable_speed()->set_ternary(2, -1); }},
      {"speed.dense", [](v1::Register& r) { r.mutable_speed()->set_dense(3, 0); }},
      {"speed.attention",
       [](v1::Register& r) {
         r.mutable_speed()->set_attention(std::numeric_limits<double>::quiet_NaN());
       }},
      {"speed.read_bytes_per_second",
       [](v1::Register& r) {
         r.mutable_speed()->set_read_bytes_per_second(std::numeric_limits<double>::infinity());
       }},
  };
  for (const BadRegistration& bad : cases) {
    v1::WorkerMessage proto = ToProto(WorkerMessage(SomeRegistration()));
    bad.spoil(*proto.mutable_register_worker());
    const absl::Status status = FromProto(proto).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad.field;
    EXPECT_THAT(status.ToString(), HasSubstr(bad.field));
  }
}

TEST(WireTest, OtherWorkerMessagesOutOfRangeAreRefused) {
  const std::string no_digest = "../../../etc/passwd";
  const std::vector<WorkerMessage> cases = {
      LoadProgress{0, 0.5f, "cache"},
      LoadProgress{3, 1.5f, "cache"},
      LoadProgress{3, std::numeric_limits<float>::quiet_NaN(), "cache"},
      StageReady{0, kDigest, kDigest, 0},
      StageReady{3, kDigest, kDigest, 1, 2},
      StageReady{3, no_digest, kDigest, 0},
      StageReady{3, kDigest, std::string(64, 'A'), 0},
      StageCommitted{0},
      StageFailed{3, absl::OkStatus()},
  };
  for (const WorkerMessage& message : cases) {
    const v1::WorkerMessage proto = ToProto(message);
    EXPECT_EQ(FromProto(proto).status().code(), absl::StatusCode::kInvalidArgument)
        << proto.ShortDebugString();
  }
}

TEST(WireTest, AFailureHasACodeThatIsOne) {
  v1::WorkerMessage proto = ToProto(WorkerMessage(StageFailed{3, absl::UnknownError("x")}));
  for (const int code : {-1, 0, 17, 1 << 30}) {
    proto.mutable_stage_failed()->set_code(code);
    EXPECT_FALSE(FromProto(proto).ok()) << code;
  }
}

TEST(WireTest, StagesThatCannotBeAreRefused) {
  const std::vector<std::function<void(v1::PrepareStage&)>> cases = {
      [](v1::PrepareStage& s) { s.set_epoch(0); },
      [](v1::PrepareStage& s) { s.clear_config(); },
      [](v1::PrepareStage& s) { s.mutable_config()->set_dim(127); },
      [](v1::PrepareStage& s) { s.mutable_config()->set_layers(0xFFFFFFFF); },
      [](v1::PrepareStage& s) { s.mutable_config()->set_name("a\nb"); },
      [](v1::PrepareStage& s) { s.set_model_digest("x"); },
      [](v1::PrepareStage& s) { s.set_rope_digest(""); },
      [](v1::PrepareStage& s) { s.set_model_path(std::string(5000, 'x')); },
      [](v1::PrepareStage& s) { s.set_first_layer(4); },
      [](v1::PrepareStage& s) { s.set_first_layer(0); },
      [](v1::PrepareStage& s) { s.set_end_layer(5); },
      [](v1::PrepareStage& s) { s.set_end_layer(6); },
      [](v1::PrepareStage& s) { s.set_stage(0); },
      [](v1::PrepareStage& s) { s.set_stage(2); },
      [](v1::PrepareStage& s) { s.set_stage(3); },
      [](v1::PrepareStage& s) { s.set_stages(0); },
      [](v1::PrepareStage& s) { s.set_stages(6); },
      [](v1::PrepareStage& s) { s.set_next_address(""); },
      [](v1::PrepareStage& s) { s.set_next_address("10.0.0.1:0"); },
      [](v1::PrepareStage& s) { s.set_next_unix_address("/tmp/x"); },
      [](v1::PrepareStage& s) { s.set_next_unix_address("unix:" + std::string(200, '/')); },
      [](v1::PrepareStage& s) { s.set_kv_type(3); },
      [](v1::PrepareStage& s) { s.set_wire(2); },
      [](v1::PrepareStage& s) { s.set_kv_pages(0); },
      [](v1::PrepareStage& s) { s.set_kv_pages(uint64_t{1} << 40); },
      [](v1::PrepareStage& s) { s.set_max_rows(0); },
      [](v1::PrepareStage& s) { s.set_max_rows(1 << 20); },
      [](v1::PrepareStage& s) { s.mutable_tensors()->RemoveLast(); },
      [](v1::PrepareStage& s) { s.add_tensors()->CopyFrom(s.tensors(0)); },
      [](v1::PrepareStage& s) { s.mutable_tensors(0)->set_name("../x"); },
      [](v1::PrepareStage& s) { s.mutable_tensors(0)->set_type(99); },
      [](v1::PrepareStage& s) { s.mutable_tensors(0)->add_shape(2); },
      [](v1::PrepareStage& s) { s.mutable_tensors(0)->set_bytes(uint64_t{1} << 62); },
      [](v1::PrepareStage& s) { s.mutable_tensors(0)->set_sha256("../../etc/passwd"); },
      [](v1::PrepareStage& s) { s.mutable_tensors(0)->add_peers("nowhere"); },
      [](v1::PrepareStage& s) {
        for (int i = 0; i < 4; ++i) s.mutable_tensors(0)->add_peers("10.0.0.1:1");
      },
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    v1::CoordinatorMessage proto = ToProto(CoordinatorMessage(SomeStage()));
    cases[i](*proto.mutable_prepare());
    EXPECT_EQ(FromProto(proto).status().code(), absl::StatusCode::kInvalidArgument) << "case " << i;
  }
}

TEST(WireTest, OtherCoordinatorMessagesOutOfRangeAreRefused) {
  for (const CoordinatorMessage& message :
       std::vector<CoordinatorMessage>{Welcome{"", {}}, CommitStage{0}, AbandonStage{0, "x"}}) {
    EXPECT_EQ(FromProto(ToProto(message)).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace tern
