// SPDX-License-Identifier: MIT
// Early return on error, for functions that return absl::Status or absl::StatusOr.
#ifndef TERN_BASE_STATUS_MACROS_H_
#define TERN_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define TERN_CONCAT_INNER(a, b) a##b
#define TERN_CONCAT(a, b) TERN_CONCAT_INNER(a, b)

// Returns from the enclosing function if `expression`, an absl::Status, is not OK.
#define TERN_RETURN_IF_ERROR(expression)       \
  do {                                         \
    absl::Status tern_status = (expression);   \
    if (!tern_status.ok()) return tern_status; \
  } while (false)

// Declares or assigns `lhs` from the value of `expression`, an absl::StatusOr, or returns its
// error.
#define TERN_ASSIGN_OR_RETURN(lhs, expression) \
  TERN_ASSIGN_OR_RETURN_IMPL(TERN_CONCAT(tern_statusor_, __LINE__), lhs, expression)
#define TERN_ASSIGN_OR_RETURN_IMPL(statusor, lhs, expression) \
  auto statusor = (expression);                               \
  if (!statusor.ok()) return std::move(statusor).status();    \
  lhs = std::move(statusor).value()

#endif  // TERN_BASE_STATUS_MACROS_H_
