// SPDX-License-Identifier: MIT
// Holds the folders to the layered DAG of docs/architecture.md: each may include what stands before
// it, never the reverse.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace {

const std::map<std::string, std::vector<std::string>> kMayInclude = {
    {"base", {}},
    {"metrics", {"base"}},
    {"kernels", {"base"}},
    {"formats", {"base", "kernels"}},
    {"text", {"base", "formats"}},
    {"model", {"base", "kernels", "formats", "text"}},
    {"bench", {"base", "kernels", "formats", "text", "model"}},
    {"partition", {"base", "kernels", "formats", "text", "model"}},
    {"cluster", {"base", "kernels", "formats", "text", "model", "partition", "proto"}},
    {"worker",
     {"base", "metrics", "kernels", "formats", "text", "model", "partition", "cluster", "proto"}},
    {"coordinator",
     {"base", "metrics", "kernels", "formats", "text", "model", "partition", "cluster", "proto"}},
    {"batch", {"base", "kernels", "formats", "text", "model", "cluster", "coordinator"}},
    {"tools",
     {"base", "kernels", "formats", "text", "model", "bench", "partition", "cluster", "proto",
      "worker", "coordinator", "batch"}},
};

// The first folder of `#include "folder/..."`, or "" for any other line.
std::string IncludedFolder(const std::string& line) {
  const std::string start = "#include \"";
  if (line.compare(0, start.size(), start) != 0) return "";
  const size_t slash = line.find('/', start.size());
  return slash == std::string::npos ? "" : line.substr(start.size(), slash - start.size());
}

TEST(LayersTest, NoFolderIncludesWhatStandsAfterIt) {
  const std::filesystem::path root = TERN_SOURCE_DIR;
  int files = 0;
  for (const auto& [folder, allowed] : kMayInclude) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension();
      if (extension != ".h" && extension != ".cc") continue;
      ++files;
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);) {
        const std::string included = IncludedFolder(line);
        if (included == folder || !kMayInclude.contains(included)) continue;
        EXPECT_NE(std::find(allowed.begin(), allowed.end(), included), allowed.end())
            << entry.path() << ": " << line;
      }
    }
  }
  EXPECT_GT(files, 20);
}

}  // namespace
