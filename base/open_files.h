// SPDX-License-Identifier: MIT
// How many files and sockets this process may have open.
#ifndef TERN_BASE_OPEN_FILES_H_
#define TERN_BASE_OPEN_FILES_H_

#include <cstdint>

namespace tern {

// Raises the limit as far as the process may, to its hard limit: every client is a socket, and what
// is set at first, often 1,024, is meant for programs that use select(). Returns the limit now.
uint64_t RaiseOpenFileLimit();

uint64_t OpenFileLimit();
uint64_t OpenFiles();  // now

}  // namespace tern

#endif  // TERN_BASE_OPEN_FILES_H_
