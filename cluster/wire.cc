// SPDX-License-Identifier: MIT
#include "cluster/wire.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "cluster/address.h"
#include "cluster/config_wire.h"
#include "cluster/join_wire.h"
#include "cluster/wire_checks.h"
#include "model/weights.h"

namespace tern {
namespace {

constexpr size_t kMaxPathBytes = 4096;
constexpr uint64_t kMaxKvPages = uint64_t{1} << 32;  // page numbers are 32-bit
constexpr uint64_t kMaxRows = 1 << 16;

// --- Worker to coordinator ---

void Fill(const Hello& from, v1::WorkerMessage& to) { FillHello(from, *to.mutable_hello()); }

void Fill(const LinkProbed& from, v1::WorkerMessage& to) {
  FillLinkProbed(from, *to.mutable_link_probed());
}

void Fill(const RegisterWorker& from, v1::WorkerMessage& to) {
  v1::Register& proto = *to.mutable_register_worker();
  proto.set_name(from.name);
  proto.set_data_address(from.data_address);
  proto.set_unix_address(from.unix_address);
  proto.set_version(from.version);
  proto.set_protocol(from.protocol);
  proto.set_machine(from.machine);
  proto.set_cpuset(from.cpuset);
  proto.set_isa(from.isa);
  proto.set_threads(from.threads);
  proto.set_memory_bytes(from.memory_bytes);
  v1::Speed& speed = *proto.mutable_speed();
  for (const double seconds : from.speed.ternary.seconds) speed.add_ternary(seconds);
  for (const double seconds : from.speed.dense.seconds) speed.add_dense(seconds);
  speed.set_attention(from.speed.attention);
  speed.set_attention_q8(from.speed.attention_q8);
  speed.set_read_bytes_per_second(from.speed.read_bytes_per_second);
}

void Fill(const LoadProgress& from, v1::WorkerMessage& to) {
  v1::LoadProgress& proto = *to.mutable_load_progress();
  proto.set_epoch(from.epoch);
  proto.set_share(from.share);
  proto.set_source(from.source);
}

void Fill(const StageReady& from, v1::WorkerMessage& to) {
  v1::StageReady& proto = *to.mutable_stage_ready();
  proto.set_epoch(from.epoch);
  proto.set_model_digest(from.model_digest);
  proto.set_rope_digest(from.rope_digest);
  proto.set_bytes_fetched(from.bytes_fetched);
  proto.set_bytes_from_peers(from.bytes_from_peers);
}

void Fill(const StageCommitted& from, v1::WorkerMessage& to) {
  to.mutable_stage_committed()->set_epoch(from.epoch);
}

void Fill(const StageFailed& from, v1::WorkerMessage& to) {
  v1::StageFailed& proto = *to.mutable_stage_failed();
  proto.set_epoch(from.epoch);
  proto.set_code(static_cast<int32_t>(from.status.code()));
  proto.set_message(Printable(from.status.message()));
}

void Fill(const Heartbeat& from, v1::WorkerMessage& to) {
  v1::Heartbeat& proto = *to.mutable_heartbeat();
  proto.set_epoch(from.epoch);
  proto.set_steps_done(from.steps_done);
  proto.set_steps_queued(from.steps_queued);
  proto.set_busy_seconds(absl::ToDoubleSeconds(from.busy));
}

void Fill(const Leaving&, v1::WorkerMessage& to) { to.mutable_leaving(); }

void Fill(const StagePrefetched& from, v1::WorkerMessage& to) {
  v1::StagePrefetched& proto = *to.mutable_stage_prefetched();
  proto.set_epoch(from.epoch);
  proto.set_code(static_cast<int32_t>(from.status.code()));
  proto.set_message(Printable(from.status.message()));
  proto.set_bytes_fetched(from.bytes_fetched);
}

absl::Status CheckPositive(const char* field, double found) {
  if (std::isfinite(found) && found > 0) return absl::OkStatus();
  return Refuse(field, absl::StrCat(found), "a positive number");
}

absl::StatusOr<RowSeconds> ParseRows(const char* field,
                                     const google::protobuf::RepeatedField<double>& proto) {
  RowSeconds rows;
  if (static_cast<size_t>(proto.size()) != rows.seconds.size()) {
    return Refuse(field, absl::StrCat(proto.size(), " numbers"), absl::StrCat(rows.seconds.size()));
  }
  for (size_t i = 0; i < rows.seconds.size(); ++i) {
    rows.seconds[i] = proto[static_cast<int>(i)];
    TERN_RETURN_IF_ERROR(CheckPositive(field, rows.seconds[i]));
  }
  return rows;
}

absl::StatusOr<WorkerSpeed> Parse(const v1::Speed& proto) {
  WorkerSpeed speed;
  TERN_ASSIGN_OR_RETURN(speed.ternary, ParseRows("speed.ternary", proto.ternary()));
  TERN_ASSIGN_OR_RETURN(speed.dense, ParseRows("speed.dense", proto.dense()));
  TERN_RETURN_IF_ERROR(CheckPositive("speed.attention", proto.attention()));
  TERN_RETURN_IF_ERROR(CheckPositive("speed.attention_q8", proto.attention_q8()));
  TERN_RETURN_IF_ERROR(CheckPositive("speed.read_bytes_per_second", proto.read_bytes_per_second()));
  speed.attention = proto.attention();
  speed.attention_q8 = proto.attention_q8();
  speed.read_bytes_per_second = proto.read_bytes_per_second();
  return speed;
}

absl::StatusOr<WorkerMessage> Parse(const v1::Register& proto) {
  TERN_RETURN_IF_ERROR(CheckName("name", proto.name()));
  TERN_RETURN_IF_ERROR(CheckPeerAddress("data_address", proto.data_address()));
  TERN_RETURN_IF_ERROR(CheckUnixAddress("unix_address", proto.unix_address()));
  TERN_RETURN_IF_ERROR(CheckName("version", proto.version()));
  TERN_RETURN_IF_ERROR(CheckText("machine", proto.machine(), kMaxNameBytes));
  TERN_RETURN_IF_ERROR(CheckText("cpuset", proto.cpuset(), kMaxPathBytes));
  TERN_RETURN_IF_ERROR(CheckText("isa", proto.isa(), kMaxNameBytes));
  TERN_RETURN_IF_ERROR(CheckRange("threads", proto.threads(), 1, 65536));
  TERN_ASSIGN_OR_RETURN(const WorkerSpeed speed, Parse(proto.speed()));
  return RegisterWorker{.name = proto.name(),
                        .data_address = proto.data_address(),
                        .unix_address = proto.unix_address(),
                        .version = proto.version(),
                        .protocol = proto.protocol(),
                        .machine = proto.machine(),
                        .cpuset = proto.cpuset(),
                        .isa = proto.isa(),
                        .threads = proto.threads(),
                        .memory_bytes = proto.memory_bytes(),
                        .speed = speed};
}

absl::StatusOr<WorkerMessage> Parse(const v1::LoadProgress& proto) {
  TERN_RETURN_IF_ERROR(CheckEpoch(proto.epoch()));
  TERN_RETURN_IF_ERROR(CheckText("source", proto.source(), kMaxNameBytes));
  if (!(proto.share() >= 0 && proto.share() <= 1)) {
    return Refuse("share", absl::StrCat(proto.share()), "between 0 and 1");
  }
  return LoadProgress{proto.epoch(), proto.share(), proto.source()};
}

absl::StatusOr<WorkerMessage> Parse(const v1::StageReady& proto) {
  TERN_RETURN_IF_ERROR(CheckEpoch(proto.epoch()));
  TERN_RETURN_IF_ERROR(CheckSha256("model_digest", proto.model_digest()));
  TERN_RETURN_IF_ERROR(CheckSha256("rope_digest", proto.rope_digest()));
  TERN_RETURN_IF_ERROR(
      CheckRange("bytes_from_peers", proto.bytes_from_peers(), 0, proto.bytes_fetched()));
  return StageReady{proto.epoch(), proto.model_digest(), proto.rope_digest(), proto.bytes_fetched(),
                    proto.bytes_from_peers()};
}

absl::StatusOr<WorkerMessage> Parse(const v1::StageCommitted& proto) {
  TERN_RETURN_IF_ERROR(CheckEpoch(proto.epoch()));
  return StageCommitted{proto.epoch()};
}

absl::StatusOr<WorkerMessage> Parse(const v1::StageFailed& proto) {
  TERN_RETURN_IF_ERROR(CheckEpoch(proto.epoch()));
  if (proto.code() < 1 || proto.code() > 16) {
    return Refuse("code", absl::StrCat(proto.code()), "an error, between 1 and 16");
  }
  TERN_RETURN_IF_ERROR(CheckText("message", proto.message(), kMaxReasonBytes));
  return StageFailed{proto.epoch(),
                     absl::Status(static_cast<absl::StatusCode>(proto.code()), proto.message())};
}

absl::StatusOr<WorkerMessage> Parse(const v1::Heartbeat& proto) {
  if (!std::isfinite(proto.busy_seconds()) || proto.busy_seconds() < 0) {
    return Refuse("busy_seconds", absl::StrCat(proto.busy_seconds()), "a number from 0");
  }
  return Heartbeat{proto.epoch(), proto.steps_done(), proto.steps_queued(),
                   absl::Seconds(proto.busy_seconds())};
}

absl::StatusOr<WorkerMessage> Parse(const v1::StagePrefetched& proto) {
  TERN_RETURN_IF_ERROR(CheckEpoch(proto.epoch()));
  StagePrefetched message{proto.epoch(), absl::OkStatus(), proto.bytes_fetched()};
  TERN_RETURN_IF_ERROR(ParseStatus(proto.code(), proto.message(), message.status));
  return message;
}

// --- Coordinator to worker ---

void Fill(const TensorRef& from, v1::TensorRef& to) {
  to.set_name(from.info.name);
  to.set_type(static_cast<uint32_t>(from.info.type));
  for (const uint64_t extent : from.info.shape) to.add_shape(extent);
  to.set_bytes(from.info.bytes);
  to.set_sha256(from.sha256);
  for (const std::string& peer : from.peers) to.add_peers(peer);
}

// The tensors must be just those that the layers need, in order; types within what the
// configuration allows; sizes follow.
absl::StatusOr<std::vector<TensorRef>> ParseTensors(const v1::PrepareStage& proto,
                                                    const PrepareStage& stage) {
  const std::vector<TensorSpec> wanted = StageTensorSpecs(stage.config, stage.layers);
  if (static_cast<size_t>(proto.tensors_size()) != wanted.size()) {
    return Refuse("tensors", absl::StrCat(proto.tensors_size()), absl::StrCat(wanted.size()));
  }
  std::vector<TensorRef> tensors;
  tensors.reserve(wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    const v1::TensorRef& tensor = proto.tensors(static_cast<int>(i));
    TensorInfo found{.name = tensor.name(),
                     .type = static_cast<TensorType>(tensor.type()),
                     .shape = {tensor.shape().begin(), tensor.shape().end()},
                     .bytes = tensor.bytes()};
    const absl::StatusOr<uint64_t> bytes = TensorBytes(found.type, found.shape);
    if (found.name != wanted[i].name || !bytes.ok() || *bytes != found.bytes ||
        !CheckTensor(stage.config, wanted[i], found).ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "tensor ", i, ": not ", wanted[i].name, " as the layers and the configuration want it"));
    }
    TERN_RETURN_IF_ERROR(CheckSha256("sha256", tensor.sha256()));
    TERN_RETURN_IF_ERROR(
        CheckRange("peers", static_cast<uint64_t>(tensor.peers_size()), 0, kMaxPeers));
    for (const std::string& peer : tensor.peers()) {
      TERN_RETURN_IF_ERROR(CheckPeerAddress("peers", peer));
    }
    tensors.push_back({.info = std::move(found),
                       .sha256 = tensor.sha256(),
                       .peers = {tensor.peers().begin(), tensor.peers().end()}});
  }
  return tensors;
}

// Whether the stage's place in the pipeline, its layers and its next stage agree.
absl::Status CheckPlace(const PrepareStage& stage) {
  TERN_RETURN_IF_ERROR(CheckRange("stages", stage.stages, 1, stage.config.layers));
  TERN_RETURN_IF_ERROR(CheckRange("stage", stage.stage, 0, stage.stages - 1));
  TERN_RETURN_IF_ERROR(CheckRange("end_layer", stage.layers.end, 1, stage.config.layers));
  TERN_RETURN_IF_ERROR(CheckRange("first_layer", stage.layers.begin, 0, stage.layers.end - 1));
  const bool last = stage.stage + 1 == stage.stages;
  if ((stage.stage == 0) != (stage.layers.begin == 0) ||
      last != (stage.layers.end == stage.config.layers)) {
    return absl::InvalidArgumentError(
        absl::StrCat("stage ", stage.stage, " of ", stage.stages, ": layers [", stage.layers.begin,
                     ", ", stage.layers.end, ") of ", stage.config.layers, " do not belong there"));
  }
  if (!last) return CheckPeerAddress("next_address", stage.next_address);
  if (stage.next_address.empty()) return absl::OkStatus();
  return Refuse("next_address", stage.next_address, "nothing on the last stage");
}

void Fill(const Welcome& from, v1::CoordinatorMessage& to) {
  FillWelcome(from, *to.mutable_welcome());
}

void Fill(const ProbeLink& from, v1::CoordinatorMessage& to) {
  to.mutable_probe_link()->set_number(from.number);
  to.mutable_probe_link()->set_address(from.address);
}

void Fill(const Dismiss& from, v1::CoordinatorMessage& to) {
  to.mutable_dismiss()->set_reason(Printable(from.reason));
}

void FillStage(const PrepareStage& from, v1::PrepareStage& proto) {
  proto.set_epoch(from.epoch);
  FillConfig(from.config, *proto.mutable_config());
  proto.set_model_digest(from.model_digest);
  proto.set_rope_digest(from.rope_digest);
  for (const TensorRef& tensor : from.tensors) Fill(tensor, *proto.add_tensors());
  proto.set_model_path(from.model_path);
  proto.set_first_layer(from.layers.begin);
  proto.set_end_layer(from.layers.end);
  proto.set_stage(from.stage);
  proto.set_stages(from.stages);
  proto.set_next_address(from.next_address);
  proto.set_next_unix_address(from.next_unix_address);
  proto.set_kv_type(static_cast<uint32_t>(from.kv_type));
  proto.set_kv_pages(from.kv_pages);
  proto.set_max_rows(from.max_rows);
  proto.set_wire(static_cast<uint32_t>(from.wire));
}

void Fill(const PrepareStage& from, v1::CoordinatorMessage& to) {
  FillStage(from, *to.mutable_prepare());
}

void Fill(const PrefetchStage& from, v1::CoordinatorMessage& to) {
  FillStage(from.stage, *to.mutable_prefetch()->mutable_stage());
}

void Fill(const CommitStage& from, v1::CoordinatorMessage& to) {
  to.mutable_commit()->set_epoch(from.epoch);
}

void Fill(const AbandonStage& from, v1::CoordinatorMessage& to) {
  to.mutable_abandon()->set_epoch(from.epoch);
  to.mutable_abandon()->set_reason(Printable(from.reason));
}

absl::StatusOr<PrepareStage> ParseStage(const v1::PrepareStage& proto) {
  PrepareStage stage{.epoch = proto.epoch(),
                     .config = {},
                     .model_digest = proto.model_digest(),
                     .rope_digest = proto.rope_digest(),
                     .tensors = {},
                     .model_path = proto.model_path(),
                     .layers = {proto.first_layer(), proto.end_layer()},
                     .stage = proto.stage(),
                     .stages = proto.stages(),
                     .next_address = proto.next_address(),
                     .next_unix_address = proto.next_unix_address(),
                     .kv_type = static_cast<KvType>(proto.kv_type()),
                     .kv_pages = proto.kv_pages(),
                     .max_rows = proto.max_rows(),
                     .wire = static_cast<WireType>(proto.wire())};
  TERN_RETURN_IF_ERROR(CheckEpoch(stage.epoch));
  TERN_ASSIGN_OR_RETURN(stage.config, ParseConfig(proto.config()));
  TERN_RETURN_IF_ERROR(CheckSha256("model_digest", stage.model_digest));
  TERN_RETURN_IF_ERROR(CheckSha256("rope_digest", stage.rope_digest));
  TERN_RETURN_IF_ERROR(CheckText("model_path", stage.model_path, kMaxPathBytes));
  TERN_RETURN_IF_ERROR(CheckPlace(stage));
  TERN_RETURN_IF_ERROR(CheckUnixAddress("next_unix_address", stage.next_unix_address));
  TERN_RETURN_IF_ERROR(CheckRange("wire", proto.wire(), 0, 1));
  TERN_RETURN_IF_ERROR(CheckRange("kv_type", proto.kv_type(), 0, 2));
  TERN_RETURN_IF_ERROR(CheckRange("kv_pages", stage.kv_pages, 1, kMaxKvPages));
  TERN_RETURN_IF_ERROR(CheckRange("max_rows", stage.max_rows, 1, kMaxRows));
  TERN_ASSIGN_OR_RETURN(stage.tensors, ParseTensors(proto, stage));
  return stage;
}

absl::StatusOr<CoordinatorMessage> Parse(const v1::PrefetchStage& proto) {
  TERN_ASSIGN_OR_RETURN(PrepareStage stage, ParseStage(proto.stage()));
  return PrefetchStage{std::move(stage)};
}

absl::StatusOr<CoordinatorMessage> Parse(const v1::Dismiss& proto) {
  TERN_RETURN_IF_ERROR(CheckText("reason", proto.reason(), kMaxReasonBytes));
  return Dismiss{proto.reason()};
}

absl::StatusOr<CoordinatorMessage> Parse(const v1::CommitStage& proto) {
  TERN_RETURN_IF_ERROR(CheckEpoch(proto.epoch()));
  return CommitStage{proto.epoch()};
}

absl::StatusOr<CoordinatorMessage> Parse(const v1::AbandonStage& proto) {
  TERN_RETURN_IF_ERROR(CheckEpoch(proto.epoch()));
  TERN_RETURN_IF_ERROR(CheckText("reason", proto.reason(), kMaxReasonBytes));
  return AbandonStage{proto.epoch(), proto.reason()};
}

}  // namespace

v1::WorkerMessage ToProto(const WorkerMessage& message) {
  v1::WorkerMessage proto;
  std::visit([&](const auto& kind) { Fill(kind, proto); }, message);
  return proto;
}

v1::CoordinatorMessage ToProto(const CoordinatorMessage& message) {
  v1::CoordinatorMessage proto;
  std::visit([&](const auto& kind) { Fill(kind, proto); }, message);
  return proto;
}

absl::StatusOr<WorkerMessage> FromProto(const v1::WorkerMessage& proto) {
  switch (proto.kind_case()) {
    case v1::WorkerMessage::kHello:
      return ParseHello(proto.hello());
    case v1::WorkerMessage::kRegisterWorker:
      return Parse(proto.register_worker());
    case v1::WorkerMessage::kLoadProgress:
      return Parse(proto.load_progress());
    case v1::WorkerMessage::kStageReady:
      return Parse(proto.stage_ready());
    case v1::WorkerMessage::kStageCommitted:
      return Parse(proto.stage_committed());
    case v1::WorkerMessage::kStageFailed:
      return Parse(proto.stage_failed());
    case v1::WorkerMessage::kHeartbeat:
      return Parse(proto.heartbeat());
    case v1::WorkerMessage::kLinkProbed:
      return ParseLinkProbed(proto.link_probed());
    case v1::WorkerMessage::kStagePrefetched:
      return Parse(proto.stage_prefetched());
    case v1::WorkerMessage::kLeaving:
      return Leaving{};
    case v1::WorkerMessage::KIND_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("worker message: of no kind that this build knows");
}

absl::StatusOr<CoordinatorMessage> FromProto(const v1::CoordinatorMessage& proto) {
  switch (proto.kind_case()) {
    case v1::CoordinatorMessage::kWelcome:
      return ParseWelcome(proto.welcome());
    case v1::CoordinatorMessage::kPrepare:
      return ParseStage(proto.prepare());
    case v1::CoordinatorMessage::kProbeLink:
      return ParseProbeLink(proto.probe_link());
    case v1::CoordinatorMessage::kPrefetch:
      return Parse(proto.prefetch());
    case v1::CoordinatorMessage::kDismiss:
      return Parse(proto.dismiss());
    case v1::CoordinatorMessage::kCommit:
      return Parse(proto.commit());
    case v1::CoordinatorMessage::kAbandon:
      return Parse(proto.abandon());
    case v1::CoordinatorMessage::KIND_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("coordinator message: of no kind that this build knows");
}

}  // namespace tern
