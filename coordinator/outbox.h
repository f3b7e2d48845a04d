// SPDX-License-Identifier: MIT
// Keeps what listeners are to be told until the next steps are on their way: no stage waits while
// tokens are written to clients.
#ifndef TERN_COORDINATOR_OUTBOX_H_
#define TERN_COORDINATOR_OUTBOX_H_

#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "coordinator/request.h"

namespace tern {

// Thread-compatible. Must outlive the listeners it made.
class Outbox {
 public:
  // A listener through which `listener` is told at the next Flush.
  std::shared_ptr<GenerationListener> Postpone(std::shared_ptr<GenerationListener> listener);

  // Tells everything, in the order in which it came.
  void Flush();

 private:
  class PostponedListener;
  std::vector<absl::AnyInvocable<void()>> news_;
};

}  // namespace tern

#endif  // TERN_COORDINATOR_OUTBOX_H_
