// SPDX-License-Identifier: MIT
// Links between stages on ranks of an MPI job. An address is "RANK/CHANNEL".
#ifndef TERN_CLUSTER_MPI_TRANSPORT_H_
#define TERN_CLUSTER_MPI_TRANSPORT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "cluster/frame_receiver.h"
#include "cluster/mpi_world.h"
#include "cluster/transport.h"

namespace tern {

std::string MpiAddress(int rank, uint32_t channel);

// Thread-safe. `world` must outlive it and its senders.
class MpiTransport final : public Transport {
 public:
  explicit MpiTransport(MpiWorld* world) : world_(world) {}

  // INVALID_ARGUMENT for an address of no rank. `on_failure` is never called: a job whose link
  // breaks is over, and the launcher says so. There is no window: a sender sends what it likes.
  absl::StatusOr<std::unique_ptr<FrameSender>> Connect(const std::string& address,
                                                       LinkEvents events) override;

 private:
  MpiWorld* const world_;
};

// The end of one channel. `world` must outlive it.
class MpiFrameReceiver final : public FrameReceiver {
 public:
  // `on_failure` is called, once, from the thread of MPI, for bytes that are no frame within the
  // limits; later ones are dropped.
  MpiFrameReceiver(MpiWorld* world, int from, uint32_t channel,
                   std::function<void(absl::Status)> on_failure);
  ~MpiFrameReceiver() override;

  // May be called once: an MPI job has one plan.
  void Accept(const FrameLimits& limits, FrameHandler handler) override;
  void Refuse() override;
  // REQUIRES that the sender has `on_taken`, which is told.
  void Credit() override ABSL_LOCKS_EXCLUDED(mu_);

 private:
  MpiWorld* const world_;
  const int from_;
  const uint32_t channel_;
  const std::function<void(absl::Status)> on_failure_;

  Mutex mu_;
  uint64_t taken_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace tern

#endif  // TERN_CLUSTER_MPI_TRANSPORT_H_
