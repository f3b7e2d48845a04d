// SPDX-License-Identifier: MIT
// What the control groups of this process, version 1 or 2, let it use.
#ifndef TERN_BASE_CONTROL_GROUP_H_
#define TERN_BASE_CONTROL_GROUP_H_

#include <cstdint>
#include <string>

namespace tern {

struct ControlGroupLimits {
  uint64_t memory_bytes = 0;  // 0: no limit
  double processors = 0;      // of processor time, e.g. 1.5; 0: no limit
};

// The least limits of the group that this process is in and of all groups above it. What cannot be
// read is no limit. `root` stands before every path: tests have a file system of their own.
ControlGroupLimits ReadControlGroupLimits(const std::string& root = "");

}  // namespace tern

#endif  // TERN_BASE_CONTROL_GROUP_H_
