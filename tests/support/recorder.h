// SPDX-License-Identifier: MIT
// A listener that keeps what it hears, for tests to wait for.
#ifndef TERN_TESTS_SUPPORT_RECORDER_H_
#define TERN_TESTS_SUPPORT_RECORDER_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "coordinator/request.h"

namespace tern {

// What became of a request.
struct Outcome {
  std::vector<TokenId> tokens;
  std::vector<std::vector<float>> logits;  // one a token, where wanted
  std::string text;                        // the tail included
  std::string tail;
  FinishReason reason = FinishReason::kError;
  absl::Status status;
  GenerationStats stats;
  int finished = 0;  // calls of OnFinish
};

// Thread-safe.
class Recorder final : public GenerationListener {
 public:
  // `on_token`, if set, is called on the engine's thread with the number of tokens so far.
  explicit Recorder(std::function<void(size_t tokens)> on_token = {})
      : on_token_(std::move(on_token)) {}

  void OnToken(const GeneratedToken& token) override {
    size_t tokens = 0;
    {
      MutexLock lock(mu_);
      outcome_.tokens.push_back(token.sampled.chosen.token);
      if (!token.logits.empty()) outcome_.logits.push_back(token.logits);
      outcome_.text += token.text;
      tokens = outcome_.tokens.size();
    }
    if (on_token_) on_token_(tokens);
  }

  void OnFinish(FinishReason reason, const std::string& tail, const absl::Status& status,
                const GenerationStats& stats) override {
    MutexLock lock(mu_);
    outcome_.text += tail;
    outcome_.tail = tail;
    outcome_.reason = reason;
    outcome_.status = Unshared(status);
    outcome_.stats = stats;
    ++outcome_.finished;
    finished_.NotifyAll();
  }

  // Waits for OnFinish.
  Outcome Wait() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    while (outcome_.finished == 0) finished_.Wait(mu_);
    return Copy();
  }
  // What has been heard so far.
  Outcome Now() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    return Copy();
  }

 private:
  // Copies of a status share a reference count, whose last decrement is in the system's Abseil,
  // where thread sanitizer does not see it.
  static absl::Status Unshared(const absl::Status& status) {
    return absl::Status(status.code(), status.message());
  }
  Outcome Copy() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    Outcome copy = outcome_;
    copy.status = Unshared(outcome_.status);
    return copy;
  }

  const std::function<void(size_t)> on_token_;
  Mutex mu_;
  CondVar finished_;
  Outcome outcome_ ABSL_GUARDED_BY(mu_);
};

}  // namespace tern

#endif  // TERN_TESTS_SUPPORT_RECORDER_H_
