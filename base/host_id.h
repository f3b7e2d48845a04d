// SPDX-License-Identifier: MIT
// A name for the machine that every process on it finds.
#ifndef TERN_BASE_HOST_ID_H_
#define TERN_BASE_HOST_ID_H_

#include <string>

namespace tern {

// The kernel's boot id: containers on one machine share it, as they share its processors. The
// machine's name where there is none.
std::string HostId();

}  // namespace tern

#endif  // TERN_BASE_HOST_ID_H_
