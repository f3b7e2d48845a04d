// SPDX-License-Identifier: MIT
// The flag of the long-running commands that chooses the form of their log.
#ifndef TERN_TOOLS_LOG_FLAG_H_
#define TERN_TOOLS_LOG_FLAG_H_

#include <CLI/CLI.hpp>
#include <string>

#include "base/log_fields.h"

namespace tern {

inline void AddLogFlag(CLI::App& command) {
  command
      .add_option_function<std::string>(
          "--log-format",
          [](const std::string& format) {
            SetLogFormat(format == "json" ? LogFormat::kJson : LogFormat::kText);
          },
          "Of the lines on standard error")
      ->check(CLI::IsMember({"text", "json"}))
      ->default_str("text");
}

}  // namespace tern

#endif  // TERN_TOOLS_LOG_FLAG_H_
