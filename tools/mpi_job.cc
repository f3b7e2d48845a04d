// SPDX-License-Identifier: MIT
#include "tools/mpi_job.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "batch/ordered_output.h"
#include "batch/progress.h"

namespace tern {
namespace {

// Lines that are to be answered; 0 for a pipe, which can be read but once.
uint64_t CountLines(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return 0;
  uint64_t count = 0;
  std::ifstream input(path);
  for (std::string line; std::getline(input, line);) {
    if (!absl::StripAsciiWhitespace(line).empty()) ++count;
  }
  return count;
}

absl::StatusOr<Descriptor> OpenInput(const std::string& path) {
  Descriptor input(path == "-" ? dup(STDIN_FILENO) : open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (input.is_open()) return input;
  return absl::NotFoundError(absl::StrCat(path, ": cannot be opened: ", std::strerror(errno)));
}

// mpirun passes on what its ranks say: its own stdout or stderr, if it is there.
std::string FileOfLauncher(int standard_file) {
  if (std::getenv("OMPI_COMM_WORLD_RANK") == nullptr) return "";
  return absl::StrCat("/proc/", getppid(), "/fd/", standard_file);
}

// What a file of /proc/PID/fd stands for; "" if that cannot be told.
std::string TargetOf(const std::string& path) {
  std::error_code error;
  return std::filesystem::read_symlink(path, error).string();
}

bool IsShownOnTerminal() {
  if (isatty(STDERR_FILENO) != 0) return true;
  const std::string target = TargetOf(FileOfLauncher(STDERR_FILENO));
  return absl::StartsWith(target, "/dev/pts/") || absl::StartsWith(target, "/dev/tty");
}

// Where mpirun passes answers on to, if that is a pipe. mpirun does not take it well when nobody
// reads there any more: that of Open MPI 4.1.4 aborts in the middle of whatever it does, and
// crashes or hangs.
Descriptor OpenPipeOfLauncher() {
  const std::string path = FileOfLauncher(STDOUT_FILENO);
  if (!absl::StartsWith(TargetOf(path), "pipe:")) return Descriptor();
  return Descriptor(open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
}

// An output that is the input would be lost with --overwrite.
absl::Status CheckApart(const MpiFlags& flags) {
  std::error_code error;  // that there is no output yet
  if (!std::filesystem::equivalent(flags.input, flags.output, error)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("output: found ", flags.output, ", which is the input, want another file"));
}

absl::Status Forget(const std::string& output, const std::string& journal) {
  std::error_code error;
  for (const std::string& path : {journal, output}) {
    std::filesystem::remove(path, error);
    if (error) return absl::UnknownError(absl::StrCat(path, ": ", error.message()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Journal>> OpenJournal(const MpiFlags& flags,
                                                     const BatchSettings& settings) {
  const std::string path = flags.output + ".journal";
  if (flags.overwrite) TERN_RETURN_IF_ERROR(Forget(flags.output, path));
  if (std::filesystem::exists(flags.output) && !std::filesystem::exists(path)) {
    return absl::FailedPreconditionError(absl::StrCat(flags.output, ": is there without ", path,
                                                      ", so nobody knows what it ",
                                                      "answers; move it away or give --overwrite"));
  }
  TERN_ASSIGN_OR_RETURN(std::unique_ptr<Journal> journal, Journal::Open(path, ToJson(settings)));
  if (journal->cut_bytes() > 0) {
    LogWarning(path, ": cut off ", journal->cut_bytes(), " bytes of a torn end");
  }
  if (journal->found() > 0) LogInfo(path, ": ", journal->found(), " answers are there already");
  return journal;
}

}  // namespace

absl::StatusOr<std::unique_ptr<BatchFiles>> BatchFiles::Open(const MpiFlags& flags,
                                                             const BatchSettings& settings) {
  std::unique_ptr<BatchFiles> files(new BatchFiles());
  files->output_ = flags.output;
  TERN_ASSIGN_OR_RETURN(Descriptor input, OpenInput(flags.input));
  TERN_RETURN_IF_ERROR(CheckApart(flags));
  files->input_ = LineReader(std::move(input));
  files->lines_ = CountLines(flags.input);
  if (flags.output == "-") {
    files->sink_ = std::make_unique<OrderedOutput>(stdout, OpenPipeOfLauncher());
    return files;
  }
  TERN_ASSIGN_OR_RETURN(std::unique_ptr<Journal> journal, OpenJournal(flags, settings));
  files->journal_ = journal.get();
  files->sink_ = std::move(journal);
  return files;
}

absl::StatusOr<JobProgress> BatchFiles::Run(JobOptions options) {
  options.lines = lines_;
  absl::StatusOr<JobProgress> done;
  {
    ProgressLine line(IsShownOnTerminal() ? stderr : nullptr,
                      [](const std::string& text) { LogInfo(text); });
    options.on_progress = [&](const JobProgress& progress) { line.Show(progress); };
    done = RunJob(options, input_, *sink_);
  }
  if (!done.ok() && journal_ != nullptr) {
    LogInfo(output_, ".journal keeps what was answered; the same command goes on from there");
  }
  TERN_RETURN_IF_ERROR(done.status());
  if (journal_ != nullptr) TERN_RETURN_IF_ERROR(journal_->WriteSorted(output_));
  LogInfo("done: ", ProgressText(*done), ", in ", absl::FormatDuration(done->elapsed));
  return done;
}

}  // namespace tern
