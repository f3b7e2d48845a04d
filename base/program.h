// SPDX-License-Identifier: MIT
// The program that runs, for what is remembered of it: after another build it may be another's.
#ifndef TERN_BASE_PROGRAM_H_
#define TERN_BASE_PROGRAM_H_

#include <string>

namespace tern {

// Its path; empty if it cannot be told.
std::string ProgramPath();

// Tells builds apart, without spaces: the size and the time of its file; "unknown" if they cannot
// be told.
std::string ProgramBuild();

}  // namespace tern

#endif  // TERN_BASE_PROGRAM_H_
