// SPDX-License-Identifier: MIT
#include "cluster/mpi_world.h"

#define OMPI_SKIP_MPICXX 1  // the C interface is all we use
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <deque>
#include <limits>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "cluster/clock.h"
#include "cluster/poll_backoff.h"

namespace tern {
namespace {

// Channels have the tags behind it.
constexpr int kLetterTag = 0;

int TagOf(uint32_t channel) { return static_cast<int>(channel) + 1; }

absl::Status NothingCame(int from, absl::Duration limit) {
  return absl::DeadlineExceededError(
      absl::StrCat("rank ", from, ": nothing came from it within ", absl::FormatDuration(limit)));
}

// Ends the process if MPI_Init_thread does not return in time.
class InitGuard {
 public:
  explicit InitGuard(absl::Duration limit) : thread_([this, limit] { Watch(limit); }) {}
  ~InitGuard() {
    {
      MutexLock lock(mu_);
      done_ = true;
      changed_.NotifyOne();
    }
    thread_.join();
  }

 private:
  void Watch(absl::Duration limit) ABSL_LOCKS_EXCLUDED(mu_) {
    const absl::Time deadline = MonotonicNow() + limit;
    MutexLock lock(mu_);
    while (!done_ && MonotonicNow() < deadline) changed_.WaitFor(mu_, deadline - MonotonicNow());
    if (done_) return;
    const std::string rank = RankByLauncher();
    LogError(rank.empty() ? "this rank" : "rank " + rank, ": the other ranks have not come within ",
             absl::FormatDuration(limit));
    _exit(1);
  }

  Mutex mu_;
  CondVar changed_;
  bool done_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

// The receiving end of a channel. MPI fills receives in the order in which they were posted, so
// only the oldest need be asked.
struct Channel {
  // [slots] of max_bytes each. Not initialised: pages that no message reached cost no memory.
  std::vector<std::unique_ptr<uint8_t[]>> buffers;
  size_t max_bytes = 0;
  std::vector<MPI_Request> requests;  // [slots], persistent
  size_t oldest = 0;

  Mutex mu;  // held while the handler runs
  MpiWorld::MessageHandler handler ABSL_GUARDED_BY(mu);
};

}  // namespace

class MpiWorld::Impl {
 public:
  explicit Impl(absl::Duration limit) : thread_([this, limit] { Run(limit); }) {
    MutexLock lock(mu_);
    while (!started_) changed_.Wait(mu_);
  }
  ~Impl() {
    {
      MutexLock lock(mu_);
      stop_ = true;
    }
    Wake();
    thread_.join();
  }

  absl::Status status() const { return status_; }
  int rank() const { return rank_; }
  int size() const { return size_; }

  void Send(int to, int tag, std::string message) ABSL_LOCKS_EXCLUDED(mu_) {
    TERN_CHECK(message.size() <= static_cast<size_t>(std::numeric_limits<int>::max()));
    {
      MutexLock lock(mu_);
      outgoing_.push_back({to, tag, std::move(message), MPI_REQUEST_NULL});
    }
    Wake();
  }

  absl::StatusOr<std::string> TakeLetter(int from, absl::Duration limit) ABSL_LOCKS_EXCLUDED(mu_) {
    const absl::Time deadline = MonotonicNow() + limit;
    MutexLock lock(mu_);
    std::deque<std::string>& letters = letters_[from];
    while (letters.empty()) {
      const absl::Duration left = deadline - MonotonicNow();
      if (left <= absl::ZeroDuration()) {
        return NothingCame(from, limit);
      }
      changed_.WaitFor(mu_, std::min(left, absl::Hours(1)));
    }
    std::string letter = std::move(letters.front());
    letters.pop_front();
    return letter;
  }

  void Listen(int from, uint32_t channel, size_t max_bytes, size_t slots, MessageHandler handler)
      ABSL_LOCKS_EXCLUDED(mu_) {
    auto listener = std::make_shared<Channel>();
    listener->max_bytes = max_bytes;
    for (size_t slot = 0; slot < slots; ++slot) {
      listener->buffers.push_back(std::make_unique_for_overwrite<uint8_t[]>(max_bytes));
    }
    listener->requests.assign(slots, MPI_REQUEST_NULL);
    {
      MutexLock channel_lock(listener->mu);
      listener->handler = std::move(handler);
    }
    MutexLock lock(mu_);
    TERN_CHECK(channels_.try_emplace(channel, listener).second);
    new_channels_.push_back({from, TagOf(channel), listener});
    wanted_ = true;
    wake_.NotifyOne();
  }

  void StopListening(uint32_t channel) ABSL_LOCKS_EXCLUDED(mu_) {
    std::shared_ptr<Channel> listener;
    {
      MutexLock lock(mu_);
      const auto found = channels_.find(channel);
      if (found == channels_.end()) return;
      listener = found->second;
    }
    MutexLock lock(listener->mu);
    listener->handler = nullptr;
  }

  [[noreturn]] void Abort() {
    if (std::this_thread::get_id() == thread_.get_id()) MPI_Abort(MPI_COMM_WORLD, 1);
    abort_ = true;
    Wake();
    MutexLock lock(mu_);
    while (true) changed_.Wait(mu_);  // until the process ends
  }

 private:
  struct Message {
    int to = 0;
    int tag = 0;
    std::string bytes;
    MPI_Request request = MPI_REQUEST_NULL;
  };
  struct NewChannel {
    int from = 0;
    int tag = 0;
    std::shared_ptr<Channel> channel;
  };

  void Wake() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    wanted_ = true;
    wake_.NotifyOne();
  }

  // --- On the thread of MPI ---

  void Run(absl::Duration limit);
  bool Init(absl::Duration limit) ABSL_LOCKS_EXCLUDED(mu_);
  bool TakeOrders() ABSL_LOCKS_EXCLUDED(mu_);
  bool FinishSends();
  bool TakeMessages();
  bool TakeLetters() ABSL_LOCKS_EXCLUDED(mu_);
  void Rest(absl::Duration quiet) ABSL_LOCKS_EXCLUDED(mu_);
  void Finalize();

  // Set before started_, then constant.
  absl::Status status_;
  int rank_ = 0;
  int size_ = 0;

  // Of the thread of MPI alone.
  std::deque<Message> sending_;  // a deque: buffers stay where they are
  std::vector<std::shared_ptr<Channel>> listening_;

  std::atomic<bool> abort_{false};
  std::atomic<bool> wanted_{false};  // there are orders; a spinning thread takes no lock to look
  Mutex mu_;
  CondVar wake_;     // of the thread of MPI
  CondVar changed_;  // of those that wait for it
  bool started_ ABSL_GUARDED_BY(mu_) = false;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<Message> outgoing_ ABSL_GUARDED_BY(mu_);
  std::vector<NewChannel> new_channels_ ABSL_GUARDED_BY(mu_);
  std::map<uint32_t, std::shared_ptr<Channel>> channels_ ABSL_GUARDED_BY(mu_);
  std::map<int, std::deque<std::string>> letters_ ABSL_GUARDED_BY(mu_);  // by sender

  std::thread thread_;  // last: it uses everything above
};

void MpiWorld::Impl::Run(absl::Duration limit) {
  if (!Init(limit)) return;
  absl::Time busy = MonotonicNow();
  while (true) {
    const bool go_on = TakeOrders();
    bool moved = FinishSends();
    moved |= TakeMessages();
    moved |= TakeLetters();
    const absl::Time now = MonotonicNow();
    if (moved) busy = now;
    if (!go_on && sending_.empty()) break;
    if (!moved) Rest(now - busy);
  }
  Finalize();
}

bool MpiWorld::Impl::Init(absl::Duration limit) {
  // So that a sleep of 50 us does not take twice as long.
  prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
  int provided = 0;
  {
    const InitGuard guard(limit);
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  }
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
  if (provided < MPI_THREAD_FUNNELED) {
    status_ = absl::FailedPreconditionError("MPI: found no MPI_THREAD_FUNNELED");
    MPI_Finalize();
  }
  MutexLock lock(mu_);
  started_ = true;
  changed_.NotifyAll();
  return status_.ok();
}

// Starts what others want sent and received; false once the object is being destroyed.
bool MpiWorld::Impl::TakeOrders() {
  if (!wanted_.exchange(false)) return true;
  if (abort_) MPI_Abort(MPI_COMM_WORLD, 1);
  std::deque<Message> outgoing;
  std::vector<NewChannel> channels;
  bool stop;
  {
    MutexLock lock(mu_);
    outgoing = std::exchange(outgoing_, {});
    channels = std::exchange(new_channels_, {});
    stop = stop_;
  }
  if (stop) wanted_ = true;  // until all is sent
  for (NewChannel& order : channels) {
    Channel& channel = *order.channel;
    for (size_t i = 0; i < channel.requests.size(); ++i) {
      MPI_Recv_init(channel.buffers[i].get(), static_cast<int>(channel.max_bytes), MPI_BYTE,
                    order.from, order.tag, MPI_COMM_WORLD, &channel.requests[i]);
      MPI_Start(&channel.requests[i]);
    }
    listening_.push_back(std::move(order.channel));
  }
  // Not persistent as the receives are: a persistent send has one size, and steps differ by
  // hundreds of times.
  for (Message& message : outgoing) {
    Message& sent = sending_.emplace_back(std::move(message));
    MPI_Isend(sent.bytes.data(), static_cast<int>(sent.bytes.size()), MPI_BYTE, sent.to, sent.tag,
              MPI_COMM_WORLD, &sent.request);
  }
  return !stop;
}

bool MpiWorld::Impl::FinishSends() {
  bool moved = false;
  while (!sending_.empty()) {
    int done = 0;
    MPI_Test(&sending_.front().request, &done, MPI_STATUS_IGNORE);
    if (done == 0) break;
    sending_.pop_front();
    moved = true;
  }
  return moved;
}

bool MpiWorld::Impl::TakeMessages() {
  bool moved = false;
  for (const std::shared_ptr<Channel>& listener : listening_) {
    Channel& channel = *listener;
    while (true) {
      int done = 0;
      MPI_Status status;
      MPI_Request& request = channel.requests[channel.oldest];
      MPI_Test(&request, &done, &status);
      if (done == 0) break;
      int bytes = 0;
      MPI_Get_count(&status, MPI_BYTE, &bytes);
      {
        MutexLock lock(channel.mu);
        const uint8_t* message = channel.buffers[channel.oldest].get();
        if (channel.handler) channel.handler({message, static_cast<size_t>(bytes)});
      }
      MPI_Start(&request);
      channel.oldest = (channel.oldest + 1) % channel.requests.size();
      moved = true;
    }
  }
  return moved;
}

bool MpiWorld::Impl::TakeLetters() {
  int found = 0;
  MPI_Status status;
  MPI_Iprobe(MPI_ANY_SOURCE, kLetterTag, MPI_COMM_WORLD, &found, &status);
  if (found == 0) return false;
  int bytes = 0;
  MPI_Get_count(&status, MPI_BYTE, &bytes);
  std::string letter(static_cast<size_t>(bytes), '\0');
  MPI_Recv(letter.data(), bytes, MPI_BYTE, status.MPI_SOURCE, kLetterTag, MPI_COMM_WORLD,
           MPI_STATUS_IGNORE);
  MutexLock lock(mu_);
  letters_[status.MPI_SOURCE].push_back(std::move(letter));
  changed_.NotifyAll();
  return true;
}

void MpiWorld::Impl::Rest(absl::Duration quiet) {
  const PollPause pause = PauseAfter(quiet, !sending_.empty());
  if (pause.kind == PollPause::Kind::kYield) sched_yield();
  if (pause.kind != PollPause::Kind::kSleep) return;
  MutexLock lock(mu_);
  if (!wanted_) wake_.WaitFor(mu_, pause.sleep);
}

void MpiWorld::Impl::Finalize() {
  for (const std::shared_ptr<Channel>& channel : listening_) {
    for (MPI_Request& request : channel->requests) {
      MPI_Cancel(&request);
      MPI_Wait(&request, MPI_STATUS_IGNORE);
      MPI_Request_free(&request);
    }
  }
  MPI_Finalize();
}

std::string RankByLauncher() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"}) {
    const char* rank = std::getenv(name);
    if (rank != nullptr) return rank;
  }
  return "";
}

absl::StatusOr<std::unique_ptr<MpiWorld>> MpiWorld::Start(absl::Duration limit) {
  auto impl = std::make_unique<Impl>(limit);
  TERN_RETURN_IF_ERROR(impl->status());
  return std::unique_ptr<MpiWorld>(new MpiWorld(std::move(impl)));
}

MpiWorld::MpiWorld(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MpiWorld::~MpiWorld() = default;

int MpiWorld::rank() const { return impl_->rank(); }
int MpiWorld::size() const { return impl_->size(); }

void MpiWorld::PostLetter(int to, std::string letter) {
  impl_->Send(to, kLetterTag, std::move(letter));
}

absl::StatusOr<std::string> MpiWorld::TakeLetter(int from, absl::Duration limit) {
  return impl_->TakeLetter(from, limit);
}

// By way of rank 0, one letter after the other: MPI's own collectives have no deadline.
absl::StatusOr<std::vector<std::string>> MpiWorld::Gather(const std::string& letter,
                                                          absl::Duration limit) {
  const absl::Time begin = MonotonicNow();
  const auto take = [&](int from, absl::Duration within) {
    absl::StatusOr<std::string> taken = TakeLetter(from, begin + within - MonotonicNow());
    if (absl::IsDeadlineExceeded(taken.status())) taken = NothingCame(from, within);
    return taken;
  };
  std::vector<std::string> letters(static_cast<size_t>(size()));
  if (rank() != 0) {
    PostLetter(0, letter);
    // Rank 0 says which rank is missing, so it is given the time to.
    for (std::string& each : letters) {
      TERN_ASSIGN_OR_RETURN(each, take(0, limit + absl::Seconds(5)));
    }
    return letters;
  }
  letters[0] = letter;
  for (int from = 1; from < size(); ++from) {
    TERN_ASSIGN_OR_RETURN(letters[static_cast<size_t>(from)], take(from, limit));
  }
  for (int to = 1; to < size(); ++to) {
    for (const std::string& each : letters) PostLetter(to, each);
  }
  return letters;
}

void MpiWorld::Send(int to, uint32_t channel, std::string message) {
  impl_->Send(to, TagOf(channel), std::move(message));
}

void MpiWorld::Listen(int from, uint32_t channel, size_t max_bytes, size_t slots,
                      MessageHandler handler) {
  impl_->Listen(from, channel, max_bytes, slots, std::move(handler));
}

void MpiWorld::StopListening(uint32_t channel) { impl_->StopListening(channel); }

void MpiWorld::Abort() { impl_->Abort(); }

}  // namespace tern
