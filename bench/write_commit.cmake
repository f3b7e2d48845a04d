# SPDX-License-Identifier: MIT
# Writes OUT, the definition of BuildCommit (bench/commit.h), from the git work tree SOURCE_DIR. Runs
# in every build and leaves OUT alone if it would not change, so that nothing is compiled again.
set(commit unknown)
execute_process(COMMAND git -C ${SOURCE_DIR} rev-parse --short=12 HEAD
                OUTPUT_VARIABLE head OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
                RESULT_VARIABLE failed)
if(NOT failed)
  set(commit ${head})
  execute_process(COMMAND git -C ${SOURCE_DIR} diff --quiet HEAD --
                  RESULT_VARIABLE modified ERROR_QUIET)
  if(modified)
    string(APPEND commit -modified)
  endif()
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT [[
#include "bench/commit.h"

namespace tern {

const char* BuildCommit() { return "@commit@"; }

}  // namespace tern
]] @ONLY)
