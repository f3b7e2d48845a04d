// SPDX-License-Identifier: MIT
// Feeds every file of a folder to a fuzz target: ok_* must be taken, bad_* must be refused.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "tests/fuzz/fuzz_target.h"

namespace tern {
namespace {

// Whether the target did with the file what its name says.
bool Replay(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
  const std::string name = path.filename().string();
  const bool wanted = absl::StartsWith(name, "ok_");
  if (!in || (!wanted && !absl::StartsWith(name, "bad_"))) {
    std::fprintf(stderr, "%s: cannot be read, or not named ok_* or bad_*\n", name.c_str());
    return false;
  }
  const absl::Status status =
      RunFuzzTarget({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  if (status.ok() == wanted) return true;
  std::fprintf(stderr, "%s: %s\n", name.c_str(), status.ToString().c_str());
  return false;
}

int ReplayFolder(const char* folder) {
  int files = 0;
  int failures = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    ++files;
    if (!Replay(entry.path())) ++failures;
  }
  std::printf("%s: %d files, %d failures\n", folder, files, failures);
  return files > 0 && failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tern

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  return tern::ReplayFolder(argv[1]);
}
