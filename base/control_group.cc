// SPDX-License-Identifier: MIT
#include "base/control_group.h"

#include <algorithm>
#include <fstream>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace tern {
namespace {

// Version 1 says "no limit" by a huge number of bytes.
constexpr uint64_t kMostBytes = uint64_t{1} << 60;

template <typename Number>
void TakeLeast(Number found, Number& least) {
  if (found > 0 && (least == 0 || found < least)) least = found;
}

std::vector<std::string> ReadWords(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> words;
  for (std::string word; file >> word;) words.push_back(word);
  return words;
}

// "max" and -1 are no numbers here, and no limits.
uint64_t NumberOf(const std::vector<std::string>& words, size_t index) {
  uint64_t number = 0;
  if (words.size() <= index || !absl::SimpleAtoi(words[index], &number)) return 0;
  return number;
}

void TakeMemory(const std::string& path, ControlGroupLimits& limits) {
  const uint64_t bytes = NumberOf(ReadWords(path), 0);
  if (bytes < kMostBytes) TakeLeast(bytes, limits.memory_bytes);
}

void TakeProcessors(uint64_t quota, uint64_t period, ControlGroupLimits& limits) {
  if (period == 0) return;
  TakeLeast(static_cast<double>(quota) / static_cast<double>(period), limits.processors);
}

void TakeVersion2(const std::string& group, ControlGroupLimits& limits) {
  TakeMemory(group + "/memory.max", limits);
  const std::vector<std::string> cpu = ReadWords(group + "/cpu.max");
  TakeProcessors(NumberOf(cpu, 0), NumberOf(cpu, 1), limits);
}

void TakeVersion1(const std::string& group, ControlGroupLimits& limits) {
  TakeMemory(group + "/memory.limit_in_bytes", limits);
  TakeProcessors(NumberOf(ReadWords(group + "/cpu.cfs_quota_us"), 0),
                 NumberOf(ReadWords(group + "/cpu.cfs_period_us"), 0), limits);
}

// "/a/b", "/a" and "" for "/a/b": a group and those above it. In a container the path may be that
// of the host, which does not exist here; then the container's own root counts.
std::vector<std::string> Upwards(std::string path) {
  std::vector<std::string> paths;
  while (!path.empty()) {
    if (path != "/") paths.push_back(path);
    path.resize(path.find_last_of('/') == std::string::npos ? 0 : path.find_last_of('/'));
  }
  paths.push_back("");
  return paths;
}

}  // namespace

ControlGroupLimits ReadControlGroupLimits(const std::string& root) {
  const std::string mount = root + "/sys/fs/cgroup";
  ControlGroupLimits limits;
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    // "0::/path" is version 2, "4:cpu,cpuacct:/path" version 1.
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    for (const std::string& path : Upwards(parts[2])) {
      if (parts[1].empty()) TakeVersion2(mount + path, limits);
      for (const absl::string_view controller : absl::StrSplit(parts[1], ',')) {
        if (controller != "memory" && controller != "cpu") continue;
        TakeVersion1(absl::StrCat(mount, "/", controller, path), limits);
      }
    }
  }
  return limits;
}

}  // namespace tern
