// SPDX-License-Identifier: MIT
#include "batch/job.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "batch/input.h"
#include "batch/output.h"
#include "cluster/clock.h"

namespace tern {
namespace {

constexpr absl::Duration kProgressPeriod = absl::Milliseconds(200);
// How long a line that comes while requests run may have to wait.
constexpr absl::Duration kInputPeriod = absl::Milliseconds(10);
constexpr size_t kDigestDigits = 16;  // enough to tell an edited line from the one before

std::string DigestOf(const std::string& text) {
  return Sha256Hex({reinterpret_cast<const uint8_t*>(text.data()), text.size()})
      .substr(0, kDigestDigits);
}

// A request that ended.
struct Done {
  BatchItem item;
  std::string digest;
  size_t engine = 0;
  BatchAnswer answer;
  absl::Time first_token = absl::InfiniteFuture();
  absl::Time last_token = absl::InfinitePast();
  absl::Status status;
};

// From engines' threads to the job's.
class DoneQueue {
 public:
  void Push(Done done) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    queue_.push_back(std::move(done));
    changed_.NotifyOne();
  }
  // All there are; waits for one, but no longer than `limit`.
  std::deque<Done> Take(absl::Duration limit) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    if (queue_.empty()) changed_.WaitFor(mu_, limit);
    return std::exchange(queue_, {});
  }

 private:
  Mutex mu_;
  CondVar changed_;
  std::deque<Done> queue_ ABSL_GUARDED_BY(mu_);
};

class Listener final : public GenerationListener {
 public:
  // The queue is shared: a job that failed does not wait for requests still at work.
  Listener(Done done, std::shared_ptr<DoneQueue> queue)
      : done_(std::move(done)), queue_(std::move(queue)) {}

  void OnToken(const GeneratedToken& token) override {
    done_.last_token = MonotonicNow();
    done_.first_token = std::min(done_.first_token, done_.last_token);
    done_.answer.text += token.text;
    if (done_.item.token_ids || done_.item.logprobs) done_.answer.tokens.push_back(token.sampled);
  }
  void OnFinish(FinishReason reason, const std::string& tail, const absl::Status& status,
                const GenerationStats& stats) override {
    done_.answer.text += tail;
    done_.answer.reason = reason;
    done_.answer.prompt_tokens = stats.prompt_tokens;
    done_.answer.generated_tokens = stats.generated_tokens;
    done_.status = status;
    queue_->Push(std::move(done_));
  }

 private:
  Done done_;
  const std::shared_ptr<DoneQueue> queue_;
};

// Whether an engine's error is the request's, and not the pipeline's.
bool IsOfRequest(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsResourceExhausted(status);
}

class Job {
 public:
  Job(const JobOptions& options, LineReader& input, AnswerSink& sink)
      : options_(options),
        input_(input),
        sink_(sink),
        running_(options.engines.size()),
        begin_(MonotonicNow()) {
    progress_.lines = options.lines;
  }

  absl::StatusOr<JobProgress> Run() {
    const absl::Status status = Loop();
    // Whatever ended the job, what was answered is to stay.
    const absl::Status synced = sink_.Sync();
    TERN_RETURN_IF_ERROR(status);
    TERN_RETURN_IF_ERROR(synced);
    Report(/*at_last=*/true);
    return progress_;
  }

 private:
  absl::Status Loop() {
    while (true) {
      TERN_RETURN_IF_ERROR(TakeLines());
      if (ended_ && IsIdle()) return absl::OkStatus();
      for (Done& done : WaitForDone()) {
        --running_[done.engine];
        if (!done.status.ok() && !IsOfRequest(done.status)) return done.status;
        TERN_RETURN_IF_ERROR(Keep(done));
      }
      TERN_RETURN_IF_ERROR(SyncIfDue());
      Report(/*at_last=*/false);
    }
  }

  bool IsIdle() const { return *std::max_element(running_.begin(), running_.end()) == 0; }
  // Whether more lines are wanted.
  bool HasRoom() const {
    return !ended_ && *std::min_element(running_.begin(), running_.end()) < options_.in_flight;
  }

  std::deque<Done> WaitForDone() {
    if (!HasRoom()) return done_->Take(kProgressPeriod);
    if (!IsIdle()) return done_->Take(kInputPeriod);
    input_.Wait(kProgressPeriod);
    return {};
  }

  // As many as there is room for, of those that have come.
  absl::Status TakeLines() {
    std::string text;
    while (HasRoom()) {
      TERN_ASSIGN_OR_RETURN(const LineReader::Got got, input_.Next(text));
      if (got == LineReader::Got::kNothingYet) return absl::OkStatus();
      if (got == LineReader::Got::kEnd) {
        ended_ = true;
      } else {
        TERN_RETURN_IF_ERROR(TakeLine(text));
      }
    }
    return absl::OkStatus();
  }

  absl::Status TakeLine(const std::string& text) {
    ++line_;
    if (absl::StripAsciiWhitespace(text).empty()) return sink_.Skip(line_);
    ParsedLine parsed = ParseLine(text, line_, options_.settings);
    Done done;
    done.item = std::move(parsed.item);
    done.digest = DigestOf(text);
    done.status = parsed.status;
    // Also of lines that are answered: a later one of the same id is not to slip through.
    const absl::Status fresh = CheckId(done.item);
    if (done.status.ok()) done.status = fresh;
    if (sink_.Has(line_, done.digest)) {
      ++progress_.found;
      return absl::OkStatus();
    }
    return Submit(std::move(done));
  }

  absl::Status CheckId(const BatchItem& item) {
    if (item.id.is_null()) return absl::OkStatus();
    const auto [first, fresh] = ids_.try_emplace(item.id.dump(), item.line);
    if (fresh) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(item.is_openai ? "custom_id" : "id", ": found ",
                                                   first->first, ", which line ", first->second,
                                                   " has, want another"));
  }

  absl::Status Submit(Done done) {
    if (!done.status.ok()) return Keep(done);
    absl::StatusOr<GenerationRequest> request =
        MakeRequest(done.item, *options_.tokenizer, options_.chat_format);
    if (!request.ok()) {
      done.status = request.status();
      return Keep(done);
    }
    done.engine =
        static_cast<size_t>(std::min_element(running_.begin(), running_.end()) - running_.begin());
    ++running_[done.engine];
    Engine& engine = *options_.engines[done.engine];
    engine.Submit(*std::move(request), std::make_shared<Listener>(std::move(done), done_));
    return absl::OkStatus();
  }

  absl::Status Keep(const Done& done) {
    ++progress_.answered;
    if (!done.status.ok()) ++progress_.errors;
    progress_.tokens += done.answer.generated_tokens;
    progress_.first_token = std::min(progress_.first_token, done.first_token - begin_);
    progress_.last_token = std::max(progress_.last_token, done.last_token - begin_);
    return sink_.Put(done.item.line, done.digest,
                     done.status.ok() ? AnswerLine(done.item, done.answer, *options_.tokenizer)
                                      : ErrorLine(done.item, done.status));
  }

  absl::Status SyncIfDue() {
    if (MonotonicNow() - synced_ < options_.sync_period) return absl::OkStatus();
    synced_ = MonotonicNow();
    return sink_.Sync();
  }

  void Report(bool at_last) {
    progress_.elapsed = MonotonicNow() - begin_;
    if (!options_.on_progress || (!at_last && progress_.elapsed - reported_ < kProgressPeriod)) {
      return;
    }
    reported_ = progress_.elapsed;
    options_.on_progress(progress_);
  }

  const JobOptions& options_;
  LineReader& input_;
  AnswerSink& sink_;
  const std::shared_ptr<DoneQueue> done_ = std::make_shared<DoneQueue>();
  std::vector<size_t> running_;  // [engines] requests
  const absl::Time begin_;
  absl::Time synced_ = begin_;
  absl::Duration reported_;
  bool ended_ = false;  // the input
  uint64_t line_ = 0;
  absl::flat_hash_map<std::string, uint64_t> ids_;  // to their first line
  JobProgress progress_;
};

}  // namespace

absl::StatusOr<JobProgress> RunJob(const JobOptions& options, LineReader& input, AnswerSink& sink) {
  if (options.engines.empty() || options.in_flight == 0) {
    return absl::InvalidArgumentError("job: want at least one engine and one request in flight");
  }
  return Job(options, input, sink).Run();
}

}  // namespace tern
