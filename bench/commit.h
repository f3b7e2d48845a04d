// SPDX-License-Identifier: MIT
// The commit that this build was made from.
#ifndef TERN_BENCH_COMMIT_H_
#define TERN_BENCH_COMMIT_H_

namespace tern {

// E.g. "0123456789ab", with "-modified" if files differed from it; "unknown" outside of git.
const char* BuildCommit();

}  // namespace tern

#endif  // TERN_BENCH_COMMIT_H_
