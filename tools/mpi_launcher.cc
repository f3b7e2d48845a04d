// SPDX-License-Identifier: MIT
#include "tools/mpi_launcher.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "bench/text_file.h"
#include "tools/subprocess.h"

namespace tern {
namespace {

constexpr size_t kLastWords = 2000;  // of a job that failed

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (file) return text.str();
  return absl::NotFoundError(absl::StrCat(path, ": the job wrote no report"));
}

std::string LastWords(const ProcessResult& result) {
  const std::string& words = result.errors.empty() ? result.output : result.errors;
  return words.size() <= kLastWords ? words : words.substr(words.size() - kLastWords);
}

absl::StatusOr<ProcessResult> RunJob(const std::vector<std::string>& command) {
  absl::StatusOr<ProcessResult> result = RunProcess(command);
  if (absl::IsNotFound(result.status())) {
    return absl::NotFoundError(
        absl::StrCat(result.status().message(), "; want Open MPI's launcher in PATH"));
  }
  TERN_RETURN_IF_ERROR(result.status());
  if (result->exit_code == 0) return result;
  return absl::UnavailableError(absl::StrCat("mpirun: found exit code ", result->exit_code,
                                             ", want 0; it said:\n", LastWords(*result)));
}

}  // namespace

absl::StatusOr<MpiLauncher> MpiLauncher::Find(const MpiJobOptions& options) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::string program = self.parent_path() / "tern-mpi";
  if (access(program.c_str(), X_OK) == 0) return MpiLauncher(options, program);
  return absl::NotFoundError(
      absl::StrCat(program, ": not there; it is built where CMake finds MPI"));
}

MpiLauncher::MpiLauncher(MpiJobOptions options, std::string program)
    : options_(std::move(options)), program_(std::move(program)) {}

std::string MpiLauncher::InputPath() const { return absl::StrCat(options_.scratch, "/prompts"); }

absl::Status MpiLauncher::WriteInput(const std::vector<std::string>& prompts) const {
  std::string lines;
  for (const std::string& prompt : prompts) {
    absl::StrAppend(&lines, nlohmann::json({{"prompt", prompt}}).dump(), "\n");
  }
  return WriteTextFile(InputPath(), lines);
}

absl::StatusOr<MpiReport> MpiLauncher::Run(const std::vector<std::string>& flags,
                                           absl::Duration* first_output) const {
  const std::string report = absl::StrCat(options_.scratch, "/report");
  std::vector<std::string> command = {"mpirun",
                                      "--bind-to",
                                      "none",
                                      "--mca",
                                      "mpi_yield_when_idle",
                                      "1",
                                      "-n",
                                      absl::StrCat(options_.ranks),
                                      program_,
                                      "--model",
                                      options_.model,
                                      "--threads",
                                      "1",
                                      "--report",
                                      report};
  command.insert(command.end(), flags.begin(), flags.end());
  TERN_ASSIGN_OR_RETURN(const ProcessResult result, RunJob(command));
  if (first_output != nullptr) *first_output = result.first_output;
  TERN_ASSIGN_OR_RETURN(const std::string text, ReadFile(report));
  return DecodeReport(text);
}

absl::StatusOr<HopTimes> MpiLauncher::Hop() const {
  TERN_ASSIGN_OR_RETURN(const MpiReport report, Run({"--bench-hop"}, nullptr));
  if (report.hop.has_value()) return *report.hop;
  return absl::InternalError("report: found no hop");
}

absl::StatusOr<MpiReport> MpiLauncher::Generate(const std::vector<std::string>& prompts,
                                                uint32_t tokens) const {
  TERN_RETURN_IF_ERROR(WriteInput(prompts));
  return Run({"--input", InputPath(), "--replicas", "1", "--use-all", "--in-flight",
              absl::StrCat(prompts.size()), "--kv-tokens", absl::StrCat(options_.kv_tokens),
              "--temperature", "0", "--ignore-eos", "--max-tokens", absl::StrCat(tokens)},
             nullptr);
}

absl::StatusOr<absl::Duration> MpiLauncher::TimeToFirstToken() const {
  TERN_RETURN_IF_ERROR(WriteInput({"Once"}));
  absl::Duration first;
  TERN_RETURN_IF_ERROR(Run({"--input", InputPath(), "--replicas", "1", "--use-all", "--temperature",
                            "0", "--max-tokens", "1"},
                           &first)
                           .status());
  return first;
}

}  // namespace tern
