// SPDX-License-Identifier: MIT
// The ranks of an MPI job and messages between them. mpi_world.cc is the only user of mpi.h.
//
// MPI_THREAD_FUNNELED: one thread of its own makes every call of MPI, from MPI_Init_thread to
// MPI_Finalize; others leave it messages and are told of those that came. A rank that dies ends the
// job: MPI's default error handler aborts it, and so does the launcher, so no call here fails for
// that.
#ifndef TERN_CLUSTER_MPI_WORLD_H_
#define TERN_CLUSTER_MPI_WORLD_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace tern {

// This process's rank as a launcher tells it before MPI does; empty without a launcher.
std::string RankByLauncher();

// Thread-safe.
class MpiWorld {
 public:
  // Joins the job; one object in a process's life. Ends the process with a message if the other
  // ranks have not come within `limit`, for nothing ends MPI_Init_thread. FAILED_PRECONDITION if
  // this MPI has no MPI_THREAD_FUNNELED.
  static absl::StatusOr<std::unique_ptr<MpiWorld>> Start(absl::Duration limit);

  // Leaves the job: waits for messages on their way out, then for all ranks to get here.
  ~MpiWorld();
  MpiWorld(const MpiWorld&) = delete;
  MpiWorld& operator=(const MpiWorld&) = delete;

  int rank() const;
  int size() const;

  // --- Letters: a few between ranks while they start and end.

  void PostLetter(int to, std::string letter);
  // The next letter from `from`; DEADLINE_EXCEEDED, naming the rank, after `limit`.
  absl::StatusOr<std::string> TakeLetter(int from, absl::Duration limit);

  // Everybody's letter, in order of ranks; every rank calls it. DEADLINE_EXCEEDED, naming a rank
  // that did not.
  absl::StatusOr<std::vector<std::string>> Gather(const std::string& letter, absl::Duration limit);

  // --- Channels: one direction between two ranks, for messages up to a size agreed upon.

  // Queues a message and returns at once. They arrive in order.
  void Send(int to, uint32_t channel, std::string message);

  // Called on the thread of MPI; must not block for long. The bytes are good until it returns.
  using MessageHandler = std::function<void(std::span<const uint8_t>)>;
  // From now on messages of `channel` from rank `from` go to `handler`. `slots` persistent receives
  // of `max_bytes` wait for them. May be called once for a channel.
  void Listen(int from, uint32_t channel, size_t max_bytes, size_t slots, MessageHandler handler);
  // When it returns, no handler of the channel runs, nor ever will. Must not be called by one.
  void StopListening(uint32_t channel);

  // Ends all ranks of the job, with exit code 1.
  [[noreturn]] void Abort();

 private:
  class Impl;
  explicit MpiWorld(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace tern

#endif  // TERN_CLUSTER_MPI_WORLD_H_
