// SPDX-License-Identifier: MIT
// The terminal as a screen that is drawn again and again.
#ifndef TERN_TOOLS_TERMINAL_H_
#define TERN_TOOLS_TERMINAL_H_

#include <signal.h>
#include <termios.h>

#include <memory>
#include <string>

#include "absl/time/time.h"

namespace tern {

// While it lives, standard input and output are its own, and SIGINT, SIGTERM and SIGHUP end it in
// good order rather than the process. Make it before any thread: threads inherit that the signals
// are blocked. Thread-compatible.
class Terminal {
 public:
  // Null if standard input or output is no terminal.
  static std::unique_ptr<Terminal> Take();
  // Leaves the terminal as it was.
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // Shows `text` in place of what is there; what does not fit is cut off.
  void Draw(const std::string& text);

  // Waits for `pause`; returns whether the user wants to leave: q, ctrl-C, or a signal.
  bool WaitForQuit(absl::Duration pause);

 private:
  Terminal();

  termios settings_;           // as they were
  sigset_t previous_signals_;  // blocked before
  int signals_ = -1;           // file descriptor: one has come
};

}  // namespace tern

#endif  // TERN_TOOLS_TERMINAL_H_
