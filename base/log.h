// SPDX-License-Identifier: MIT
// Log lines to stderr, and checks of our own invariants.
//
// Who logs: worker, coordinator, transports, tools. Kernels, model, partition and the state
// machines return values instead. One line says that a state changed; never one per token.
#ifndef TERN_BASE_LOG_H_
#define TERN_BASE_LOG_H_

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace tern {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Lines below `level` are dropped from now on. Default kInfo. Thread-safe.
void SetLogLevel(LogLevel level);

// Writes one line, with time and level. Thread-safe.
void Log(LogLevel level, absl::string_view message);

template <typename... Parts>
void LogInfo(const Parts&... parts) {
  Log(LogLevel::kInfo, absl::StrCat(parts...));
}
template <typename... Parts>
void LogWarning(const Parts&... parts) {
  Log(LogLevel::kWarning, absl::StrCat(parts...));
}
template <typename... Parts>
void LogError(const Parts&... parts) {
  Log(LogLevel::kError, absl::StrCat(parts...));
}

// Prints the broken invariant and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);

}  // namespace tern

// Aborts unless `condition` holds. For our own invariants only: nothing that arrives by file, flag
// or wire may trip one.
#define TERN_CHECK(condition)                                              \
  do {                                                                     \
    if (!(condition)) ::tern::CheckFailed(__FILE__, __LINE__, #condition); \
  } while (false)

#endif  // TERN_BASE_LOG_H_
