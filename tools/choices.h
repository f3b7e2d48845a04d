// SPDX-License-Identifier: MIT
// Command line options that take one of some names.
#ifndef TERN_TOOLS_CHOICES_H_
#define TERN_TOOLS_CHOICES_H_

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

namespace tern {

template <typename T>
using Choices = std::vector<std::pair<std::string, T>>;

// Sets `to`, which must outlive the parsing, to what the name stands for; help and errors list the
// names.
template <typename T, typename To>
CLI::Option* AddChoice(CLI::App& command, const std::string& option, To& to,
                       const Choices<T>& choices, const std::string& help) {
  std::vector<std::string> names;
  for (const auto& [name, value] : choices) names.push_back(name);
  const auto set = [&to, choices](const std::string& chosen) {
    for (const auto& [name, value] : choices) {
      if (name == chosen) to = value;
    }
  };
  return command.add_option_function<std::string>(option, set, help)->check(CLI::IsMember(names));
}

}  // namespace tern

#endif  // TERN_TOOLS_CHOICES_H_
