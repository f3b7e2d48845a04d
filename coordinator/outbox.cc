// SPDX-License-Identifier: MIT
#include "coordinator/outbox.h"

#include <string>
#include <utility>

namespace tern {

class Outbox::PostponedListener final : public GenerationListener {
 public:
  PostponedListener(Outbox& outbox, std::shared_ptr<GenerationListener> listener)
      : outbox_(outbox), listener_(std::move(listener)) {}

  void OnToken(const GeneratedToken& token) override {
    outbox_.news_.emplace_back([to = listener_, token] { to->OnToken(token); });
  }

  void OnSampleFinish(FinishReason reason, const std::string& tail,
                      const GenerationStats& stats) override {
    outbox_.news_.emplace_back(
        [to = listener_, reason, tail, stats] { to->OnSampleFinish(reason, tail, stats); });
  }

  void OnFinish(FinishReason reason, const std::string& tail, const absl::Status& status,
                const GenerationStats& stats) override {
    outbox_.news_.emplace_back([to = listener_, reason, tail, status, stats] {
      to->OnFinish(reason, tail, status, stats);
    });
  }

 private:
  Outbox& outbox_;
  const std::shared_ptr<GenerationListener> listener_;
};

std::shared_ptr<GenerationListener> Outbox::Postpone(std::shared_ptr<GenerationListener> listener) {
  return std::make_shared<PostponedListener>(*this, std::move(listener));
}

void Outbox::Flush() {
  for (auto& tell : news_) tell();
  news_.clear();
}

}  // namespace tern
