// SPDX-License-Identifier: MIT
#include "base/processor_time.h"

#include <sys/resource.h>

#include "absl/time/time.h"

namespace tern {

double ProcessorSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return absl::ToDoubleSeconds(absl::DurationFromTimeval(usage.ru_utime) +
                               absl::DurationFromTimeval(usage.ru_stime));
}

}  // namespace tern
