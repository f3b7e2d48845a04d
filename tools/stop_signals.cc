// SPDX-License-Identifier: MIT
#include "tools/stop_signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdint>

#include "base/log.h"

namespace tern {
namespace {

sigset_t StopSet() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

StopSignals::StopSignals() {
  const sigset_t set = StopSet();
  pthread_sigmask(SIG_BLOCK, &set, &previous_);
  signals_ = signalfd(-1, &set, SFD_CLOEXEC);
  quit_ = eventfd(0, EFD_CLOEXEC);
  TERN_CHECK(signals_ >= 0 && quit_ >= 0);
  thread_ = std::thread([this] { Loop(); });
}

StopSignals::~StopSignals() {
  const uint64_t one = 1;
  TERN_CHECK(write(quit_, &one, sizeof(one)) == sizeof(one));
  thread_.join();
  close(signals_);
  close(quit_);
  pthread_sigmask(SIG_SETMASK, &previous_, nullptr);
}

void StopSignals::OnStop(std::function<void()> on_stop) {
  {
    MutexLock lock(mu_);
    if (!stopped_) {
      on_stop_ = std::move(on_stop);
      return;
    }
  }
  on_stop();
}

void StopSignals::Wait() {
  MutexLock lock(mu_);
  while (!stopped_) stopped_changed_.Wait(mu_);
}

void StopSignals::Loop() {
  while (true) {
    pollfd ready[] = {{signals_, POLLIN, 0}, {quit_, POLLIN, 0}};
    if (poll(ready, 2, -1) < 0) continue;  // interrupted
    if (ready[1].revents != 0) return;
    signalfd_siginfo signal;
    if (read(signals_, &signal, sizeof(signal)) != sizeof(signal)) continue;
    std::function<void()> on_stop;
    {
      MutexLock lock(mu_);
      if (stopped_) _exit(128 + static_cast<int>(signal.ssi_signo));
      stopped_ = true;
      on_stop = std::move(on_stop_);
      stopped_changed_.NotifyAll();
    }
    LogInfo("stopping; a second signal ends it at once");
    if (on_stop) on_stop();
  }
}

}  // namespace tern
