// SPDX-License-Identifier: MIT
// Log lines with named values, and the form of all lines: for people or for programs.
#ifndef TERN_BASE_LOG_FIELDS_H_
#define TERN_BASE_LOG_FIELDS_H_

#include <string>
#include <type_traits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/log.h"

namespace tern {

enum class LogFormat { kText, kJson };

// kText, the default: "12:30:01.123 I message name=value ...". kJson: an object a line, with "time"
// (UTC, RFC 3339), "level", "message", and a member for each field. Thread-safe.
void SetLogFormat(LogFormat format);

// A named text or number.
struct LogField {
  LogField(absl::string_view name_of, absl::string_view text)
      : name(name_of), value(text), is_text(true) {}
  template <typename Number, typename = std::enable_if_t<std::is_arithmetic_v<Number>>>
  LogField(absl::string_view name_of, Number number)
      : name(name_of), value(absl::StrCat(number)), is_text(false) {}

  std::string name;
  std::string value;
  bool is_text;
};

// Writes one line, as Log of base/log.h does. Thread-safe.
void Log(LogLevel level, absl::string_view message, const std::vector<LogField>& fields);

// What stands behind time and level in a line for people. Texts with spaces are quoted.
std::string TextLine(absl::string_view message, const std::vector<LogField>& fields);
// A whole line for programs. Bytes that are no UTF-8 become U+FFFD.
std::string JsonLine(absl::Time time, LogLevel level, absl::string_view message,
                     const std::vector<LogField>& fields);

}  // namespace tern

#endif  // TERN_BASE_LOG_FIELDS_H_
