// SPDX-License-Identifier: MIT
// A program that a test runs: reads what it prints, sends it signals, waits for its end.
#ifndef TERN_TESTS_SUPPORT_PROCESS_H_
#define TERN_TESTS_SUPPORT_PROCESS_H_

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/mutex.h"
#include "cluster/clock.h"
#include "gtest/gtest.h"

namespace tern {

// Starts at once; killed by the destructor if it still runs.
class Process {
 public:
  explicit Process(std::vector<std::string> command) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    std::vector<char*> arguments;
    for (std::string& word : command) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    EXPECT_EQ(posix_spawn(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ), 0)
        << command[0];
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    output_ = ends[0];
    reader_ = std::thread([this] { ReadOutput(); });
  }
  ~Process() {
    if (!ended_) {
      Signal(SIGKILL);
      Wait();
    }
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void Signal(int signal) { kill(pid_, signal); }

  // Waits until it ends: its exit status, or 128 and the signal that ended it.
  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    ended_ = true;
    reader_.join();
    close(output_);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  // The rest of the first line with `words` in it, at or after the last one found; waits for it.
  std::string WaitForLine(const std::string& words) {
    const absl::Time deadline = MonotonicNow() + absl::Seconds(180);
    MutexLock lock(mu_);
    while (true) {
      const size_t at = text_.find(words, searched_);
      const size_t end = at == std::string::npos ? at : text_.find('\n', at);
      if (end != std::string::npos) {
        searched_ = end;
        return text_.substr(at + words.size(), end - at - words.size());
      }
      if (closed_ || MonotonicNow() > deadline) {
        ADD_FAILURE() << "'" << words << "' is not in the output:\n" << text_;
        return "";
      }
      changed_.WaitFor(mu_, deadline - MonotonicNow());
    }
  }

  // All it has printed so far.
  std::string text() {
    MutexLock lock(mu_);
    return text_;
  }

 private:
  void ReadOutput() {
    char buffer[4096];
    while (true) {
      const ssize_t count = read(output_, buffer, sizeof(buffer));
      if (count < 0 && errno == EINTR) continue;
      MutexLock lock(mu_);
      if (count > 0) text_.append(buffer, static_cast<size_t>(count));
      closed_ = count <= 0;
      changed_.NotifyAll();
      if (closed_) return;
    }
  }

  pid_t pid_ = -1;
  int output_ = -1;
  bool ended_ = false;

  Mutex mu_;
  CondVar changed_;
  std::string text_ ABSL_GUARDED_BY(mu_);
  size_t searched_ ABSL_GUARDED_BY(mu_) = 0;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;

  std::thread reader_;
};

}  // namespace tern

#endif  // TERN_TESTS_SUPPORT_PROCESS_H_
