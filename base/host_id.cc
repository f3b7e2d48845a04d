// SPDX-License-Identifier: MIT
#include "base/host_id.h"

#include <unistd.h>

#include <fstream>

namespace tern {

std::string HostId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  if (file >> id) return id;
  char name[256] = "unknown";
  gethostname(name, sizeof(name) - 1);
  return name;
}

}  // namespace tern
