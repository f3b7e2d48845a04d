// SPDX-License-Identifier: MIT
#include "tools/mpi_job.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "batch/ordered_output.h"

namespace tern {
namespace {

constexpr absl::Duration kLogPeriod = absl::Minutes(1);

// Lines that are to be answered.
uint64_t CountLines(std::istream& input) {
  uint64_t count = 0;
  for (std::string line; std::getline(input, line);) {
    if (!absl::StripAsciiWhitespace(line).empty()) ++count;
  }
  input.clear();
  input.seekg(0);
  return count;
}

// mpirun passes on what its ranks say; whether people see it is for mpirun's own stderr to tell.
bool IsShownOnTerminal() {
  if (isatty(STDERR_FILENO) != 0) return true;
  if (std::getenv("OMPI_COMM_WORLD_RANK") == nullptr) return false;
  std::error_code error;
  const std::string target =
      std::filesystem::read_symlink(absl::StrCat("/proc/", getppid(), "/fd/2"), error).string();
  return absl::StartsWith(target, "/dev/pts/") || absl::StartsWith(target, "/dev/tty");
}

// A line that redraws itself on a terminal, one a minute elsewhere.
class ProgressLine {
 public:
  void Show(const JobProgress& progress) {
    if (terminal_) {
      std::fprintf(stderr, "\r%s\033[K", ProgressText(progress).c_str());
      std::fflush(stderr);
      drawn_ = true;
    } else if (progress.elapsed - logged_ >= kLogPeriod) {
      logged_ = progress.elapsed;
      LogInfo(ProgressText(progress));
    }
  }
  ~ProgressLine() {
    if (drawn_) std::fputc('\n', stderr);
  }

 private:
  const bool terminal_ = IsShownOnTerminal();
  bool drawn_ = false;
  absl::Duration logged_;
};

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
  files->input_ = &std::cin;
  if (flags.input != "-") {
    files->file_.open(flags.input);
    if (!files->file_.is_open()) {
      return absl::NotFoundError(absl::StrCat(flags.input, ": cannot be opened"));
    }
    files->input_ = &files->file_;
    files->lines_ = CountLines(files->file_);
  }
  if (flags.output == "-") {
    files->sink_ = std::make_unique<OrderedOutput>(stdout);
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
    ProgressLine line;
    options.on_progress = [&](const JobProgress& progress) { line.Show(progress); };
    done = RunJob(options, *input_, *sink_);
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
