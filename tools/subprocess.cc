// SPDX-License-Identifier: MIT
#include "tools/subprocess.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/descriptor.h"
#include "cluster/clock.h"

namespace tern {
namespace {

// Everything up to the end of the file.
std::string ReadAll(int from, absl::Time start, absl::Duration* first) {
  std::string all;
  char buffer[4096];
  while (true) {
    const ssize_t bytes = read(from, buffer, sizeof(buffer));
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) return all;
    if (all.empty()) *first = MonotonicNow() - start;
    all.append(buffer, static_cast<size_t>(bytes));
  }
}

int ExitCode(pid_t process) {
  int status = 0;
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

absl::StatusOr<ProcessResult> RunProcess(const std::vector<std::string>& arguments) {
  int ends[2];
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> errors(std::tmpfile(), std::fclose);
  if (errors == nullptr || pipe2(ends, O_CLOEXEC) != 0) {
    return absl::UnavailableError(absl::StrCat(arguments[0], ": ", std::strerror(errno)));
  }
  const Descriptor from(ends[0]);
  Descriptor to(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, to.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(errors.get()), STDERR_FILENO);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const absl::Time start = MonotonicNow();
  pid_t process = 0;
  const int error = posix_spawnp(&process, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return absl::NotFoundError(absl::StrCat(arguments[0], ": ", std::strerror(error)));
  }
  to.Close();
  ProcessResult result;
  result.output = ReadAll(from.get(), start, &result.first_output);
  result.exit_code = ExitCode(process);
  std::rewind(errors.get());
  absl::Duration ignored;
  result.errors = ReadAll(fileno(errors.get()), start, &ignored);
  return result;
}

}  // namespace tern
