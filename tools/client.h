// SPDX-License-Identifier: MIT
// A client of tern.v1.Inference: what `tern generate` and `tern chat` stand on.
#ifndef TERN_TOOLS_CLIENT_H_
#define TERN_TOOLS_CLIENT_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "text/chat_template.h"
#include "tools/generation_flags.h"

namespace tern {

using TextCallback = std::function<void(const std::string& text)>;

// Thread-compatible. Errors are the service's (proto/inference.proto), with its message.
class Client {
 public:
  // `address` is "host:port". Connects lazily.
  explicit Client(const std::string& address);
  ~Client();

  // Waits until the coordinator serves. DEADLINE_EXCEEDED with the reason if it does not in time.
  absl::Status WaitUntilServing(absl::Duration timeout);

  // Streams the continuation of `prompt` to `on_text`.
  absl::StatusOr<GenerationSummary> Generate(const std::string& prompt,
                                             const GenerationFlags& flags,
                                             const TextCallback& on_text);
  // Streams the assistant's next message.
  absl::StatusOr<GenerationSummary> Chat(const std::vector<ChatMessage>& messages,
                                         const GenerationFlags& flags, const TextCallback& on_text);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tern

#endif  // TERN_TOOLS_CLIENT_H_
