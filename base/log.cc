// SPDX-License-Identifier: MIT
#include "base/log.h"

#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/time/clock.h"
#include "base/log_fields.h"
#include "spdlog/sinks/stdout_color_sinks.h"
#include "spdlog/spdlog.h"

namespace tern {
namespace {

constexpr char kTextPattern[] = "%H:%M:%S.%e %^%L%$ %v";
constexpr char kBarePattern[] = "%v";

// spdlog's registry is the process's log; made on first use, safe from any thread.
spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = std::make_shared<spdlog::logger>(
        "tern", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_pattern(kTextPattern);
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *logger;
}

std::atomic<LogFormat>& Format() {
  static std::atomic<LogFormat> format{LogFormat::kText};
  return format;
}

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

const char* LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

bool IsPlain(absl::string_view text) {
  return !text.empty() && text.find_first_of(" \t\r\n\"=\\") == absl::string_view::npos;
}

}  // namespace

void SetLogLevel(LogLevel level) { Logger().set_level(ToSpdlog(level)); }

void SetLogFormat(LogFormat format) {
  Format() = format;
  Logger().set_pattern(format == LogFormat::kJson ? kBarePattern : kTextPattern);
}

void Log(LogLevel level, absl::string_view message) { Log(level, message, {}); }

void Log(LogLevel level, absl::string_view message, const std::vector<LogField>& fields) {
  const spdlog::level::level_enum spdlog_level = ToSpdlog(level);
  if (!Logger().should_log(spdlog_level)) return;
  Logger().log(spdlog_level,
               spdlog::string_view_t(Format() == LogFormat::kJson
                                         ? JsonLine(absl::Now(), level, message, fields)
                                         : TextLine(message, fields)));
}

std::string TextLine(absl::string_view message, const std::vector<LogField>& fields) {
  std::string line(message);
  for (const LogField& field : fields) {
    absl::StrAppend(&line, " ", field.name, "=");
    if (!field.is_text || IsPlain(field.value)) {
      absl::StrAppend(&line, field.value);
    } else {
      absl::StrAppend(&line, "\"", absl::Utf8SafeCEscape(field.value), "\"");
    }
  }
  return line;
}

std::string JsonLine(absl::Time time, LogLevel level, absl::string_view message,
                     const std::vector<LogField>& fields) {
  nlohmann::ordered_json line = {
      {"time", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone())},
      {"level", LevelName(level)},
      {"message", std::string(message)}};
  for (const LogField& field : fields) {
    // Ours, and arithmetic: it is a number as JSON writes it, unless it is not finite.
    nlohmann::ordered_json value = field.value;
    if (!field.is_text) value = nlohmann::ordered_json::parse(field.value, nullptr, false);
    line[field.name] = value.is_discarded() ? nlohmann::ordered_json(nullptr) : value;
  }
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void CheckFailed(const char* file, int line, const char* condition) {
  LogError(file, ":", line, ": broken invariant: ", condition);
  std::abort();
}

}  // namespace tern
