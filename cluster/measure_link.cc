// SPDX-License-Identifier: MIT
#include "cluster/measure_link.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cluster/grpc_util.h"
#include "proto/stage.grpc.pb.h"

namespace tern {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kPings = 20;
constexpr std::chrono::seconds kPatience(2);  // with each call
// A first payload opens the connection's window and tells how long larger ones would take.
constexpr size_t kSmallPayload = 128 << 10;
constexpr size_t kLargePayload = 1 << 20;
constexpr int kLargePayloads = 4;
constexpr double kSlowSeconds = 0.1;  // a small payload that takes so long says enough

class Prober {
 public:
  Prober(const std::string& address, const std::function<bool()>& cancelled)
      : stub_(v1::Stage::NewStub(ConnectTo(address))), cancelled_(cancelled) {}

  // Seconds that a call with so many bytes takes.
  absl::StatusOr<double> Time(size_t bytes) {
    if (cancelled_()) return absl::CancelledError("the probe was cancelled");
    v1::ProbeRequest request;
    request.set_payload(std::string(bytes, 'x'));
    v1::ProbeResponse response;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    const Clock::time_point start = Clock::now();
    const grpc::Status status = stub_->Probe(&context, request, &response);
    if (!status.ok()) return FromGrpc(status);
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  // The least of several.
  absl::StatusOr<double> Fastest(size_t bytes, int times) {
    double least = std::numeric_limits<double>::infinity();
    for (int i = 0; i < times; ++i) {
      TERN_ASSIGN_OR_RETURN(const double seconds, Time(bytes));
      least = std::min(least, seconds);
    }
    return least;
  }

 private:
  const std::unique_ptr<v1::Stage::Stub> stub_;
  const std::function<bool()>& cancelled_;
};

double Rate(size_t bytes, double seconds, double round_trip) {
  // Of two noisy times: at least a tenth of the larger.
  return static_cast<double>(bytes) / std::max(seconds - round_trip, seconds / 10);
}

}  // namespace

absl::StatusOr<LinkSpeed> MeasureLink(const std::string& address,
                                      const std::function<bool()>& cancelled) {
  Prober prober(address, cancelled);
  TERN_RETURN_IF_ERROR(prober.Time(0).status());  // connects
  TERN_ASSIGN_OR_RETURN(const double round_trip, prober.Fastest(0, kPings));
  TERN_ASSIGN_OR_RETURN(const double small, prober.Time(kSmallPayload));
  LinkSpeed speed{.bytes_per_second = Rate(kSmallPayload, small, round_trip),
                  .latency_seconds = round_trip / 2};
  if (small >= kSlowSeconds) return speed;
  TERN_ASSIGN_OR_RETURN(const double large, prober.Fastest(kLargePayload, kLargePayloads));
  speed.bytes_per_second = Rate(kLargePayload, large, round_trip);
  return speed;
}

}  // namespace tern
