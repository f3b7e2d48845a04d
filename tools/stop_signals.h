// SPDX-License-Identifier: MIT
// SIGINT and SIGTERM as a call, for commands that run until they are told to stop.
#ifndef TERN_TOOLS_STOP_SIGNALS_H_
#define TERN_TOOLS_STOP_SIGNALS_H_

#include <signal.h>

#include <functional>
#include <thread>

#include "base/mutex.h"

namespace tern {

// Make it before any other thread: threads inherit that the signals are blocked. The first signal
// asks to stop; the second ends the process at once.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Calls `on_stop` when asked to stop, on a thread of its own; at once if that was before. May be
  // called once; what it uses must outlive the object.
  void OnStop(std::function<void()> on_stop) ABSL_LOCKS_EXCLUDED(mu_);

  // Waits until asked to stop.
  void Wait() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Loop() ABSL_LOCKS_EXCLUDED(mu_);

  sigset_t previous_;  // signals blocked before
  int signals_;        // file descriptors: a signal is there,
  int quit_;           // the object is being destroyed

  Mutex mu_;
  CondVar stopped_changed_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::function<void()> on_stop_ ABSL_GUARDED_BY(mu_);

  std::thread thread_;  // last: it uses everything above
};

}  // namespace tern

#endif  // TERN_TOOLS_STOP_SIGNALS_H_
