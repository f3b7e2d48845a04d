// SPDX-License-Identifier: MIT
// Holds the folders to the layered DAG of docs/architecture.md: each may include what stands before
// it, never the reverse. What a library is to be hidden behind is the only file that includes it.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
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

// Calls visit(folder, path from the root, line) for each line of each source file.
void ForEachLine(const std::function<void(const std::string& folder, const std::string& path,
                                          const std::string& line)>& visit) {
  const std::filesystem::path root = TERN_SOURCE_DIR;
  for (const auto& [folder, allowed] : kMayInclude) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension();
      if (extension != ".h" && extension != ".cc") continue;
      std::ifstream file(entry.path());
      const std::string path = std::filesystem::relative(entry.path(), root).string();
      for (std::string line; std::getline(file, line);) visit(folder, path, line);
    }
  }
}

TEST(LayersTest, NoFolderIncludesWhatStandsAfterIt) {
  std::set<std::string> files;
  ForEachLine([&](const std::string& folder, const std::string& path, const std::string& line) {
    files.insert(path);
    const std::string included = IncludedFolder(line);
    if (included == folder || !kMayInclude.contains(included)) return;
    const std::vector<std::string>& allowed = kMayInclude.at(folder);
    EXPECT_NE(std::find(allowed.begin(), allowed.end(), included), allowed.end())
        << path << ": " << line;
  });
  EXPECT_GT(files.size(), 20u);
}

TEST(LayersTest, LibrariesStayBehindTheFileThatHidesThem) {
  const std::map<std::string, std::string> only = {{"#include <mpi.h>", "cluster/mpi_world.cc"},
                                                   {"#include <hwloc.h>", "base/topology.cc"}};
  std::map<std::string, std::set<std::string>> found;
  ForEachLine([&](const std::string&, const std::string& path, const std::string& line) {
    if (only.contains(line)) found[line].insert(path);
  });
  for (const auto& [line, file] : only) {
    EXPECT_EQ(found[line], std::set<std::string>{file}) << line;
  }
}

}  // namespace
