// SPDX-License-Identifier: MIT
// Says what an error is about, where whoever found it could not know.
#ifndef TERN_BASE_ABOUT_H_
#define TERN_BASE_ABOUT_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace tern {

// The same status, whose message, if it is an error, begins with `what` and a colon.
inline absl::Status About(const std::string& what, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(what, ": ", status.message()));
}

// The same for a result: a value stays as it is.
template <typename T>
absl::StatusOr<T> About(const std::string& what, absl::StatusOr<T> result) {
  if (result.ok()) return result;
  return About(what, result.status());
}

}  // namespace tern

#endif  // TERN_BASE_ABOUT_H_
