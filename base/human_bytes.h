// SPDX-License-Identifier: MIT
// Sizes for people.
#ifndef TERN_BASE_HUMAN_BYTES_H_
#define TERN_BASE_HUMAN_BYTES_H_

#include <string>

namespace tern {

// "1.1 GiB", "512 B".
std::string HumanBytes(double bytes);

}  // namespace tern

#endif  // TERN_BASE_HUMAN_BYTES_H_
