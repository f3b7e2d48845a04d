// SPDX-License-Identifier: MIT
// Tests written as text, after the data-driven tests of etcd's raft: a reader reviews behaviour
// without reading C++.
//
// A file is a list of cases with blank lines between them. A case is a command line, a line
// `----`, and the lines the command must answer; lines that start with # are comments.
//
//     submit 1 prompt=5
//     ----
//     ok
//
// With TERN_REWRITE=1 in the environment, answers are written into the file instead of compared.
#ifndef TERN_TESTS_SUPPORT_DATA_DRIVEN_H_
#define TERN_TESTS_SUPPORT_DATA_DRIVEN_H_

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace tern {

// `submit 1 prompt=5`: name "submit", arguments {"1"}, named {"prompt": "5"}.
struct DataCommand {
  std::string line;
  std::string name;
  std::vector<std::string> arguments;
  std::map<std::string, std::string> named;

  uint64_t Number(const std::string& key, uint64_t otherwise) const {
    const auto found = named.find(key);
    return found == named.end() ? otherwise : std::stoull(found->second);
  }
};

inline DataCommand ParseDataCommand(const std::string& line) {
  DataCommand command;
  command.line = line;
  std::istringstream words(line);
  words >> command.name;
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos) {
      command.arguments.push_back(word);
    } else {
      command.named[word.substr(0, equals)] = word.substr(equals + 1);
    }
  }
  return command;
}

// Runs every case of the file: `run` gives a command's answer, lines that end with \n.
inline void RunDataDriven(const std::string& path,
                          const std::function<std::string(const DataCommand&)>& run) {
  std::ifstream file(path);
  ASSERT_TRUE(file.is_open()) << path;
  std::string rewritten;
  int cases = 0;
  int line_number = 0;
  for (std::string line; std::getline(file, line);) {
    ++line_number;
    rewritten += line + "\n";
    if (line.empty() || line[0] == '#') continue;
    const DataCommand command = ParseDataCommand(line);
    const int command_line = line_number;
    ASSERT_TRUE(std::getline(file, line) && line == "----") << path << ":" << command_line + 1;
    ++line_number;
    std::string want;
    bool blank_follows = false;
    while (std::getline(file, line)) {
      ++line_number;
      blank_follows = line.empty();
      if (blank_follows) break;
      want += line + "\n";
    }
    const std::string answer = run(command);
    rewritten += "----\n" + answer + (blank_follows ? "\n" : "");
    ++cases;
    if (std::getenv("TERN_REWRITE") == nullptr) {
      EXPECT_EQ(answer, want) << path << ":" << command_line << ": " << command.line;
    }
  }
  EXPECT_GT(cases, 0) << path;
  if (std::getenv("TERN_REWRITE") != nullptr) std::ofstream(path) << rewritten;
}

}  // namespace tern

#endif  // TERN_TESTS_SUPPORT_DATA_DRIVEN_H_
