// SPDX-License-Identifier: MIT
#ifndef TERN_BASE_PROCESSOR_TIME_H_
#define TERN_BASE_PROCESSOR_TIME_H_

namespace tern {

// Seconds that all threads of this process together have run on processors, in the system, too.
double ProcessorSeconds();

}  // namespace tern

#endif  // TERN_BASE_PROCESSOR_TIME_H_
