// SPDX-License-Identifier: MIT
// The memory of this process.
#ifndef TERN_BENCH_MEMORY_H_
#define TERN_BENCH_MEMORY_H_

#include <cstdint>
#include <string>

namespace tern {

// Bytes, mapped files included where they were touched; 0 where the system does not say.
uint64_t PeakResidentBytes();

// Of the files at `path`, or in the folder there: bytes that are mapped and resident now.
uint64_t ResidentFileBytes(const std::string& path);

// Makes the peak what the process holds now, after it gave back what was freed. False if the system
// does not allow it: the peak is then still that of the whole run.
bool ResetPeakResidentBytes();

}  // namespace tern

#endif  // TERN_BENCH_MEMORY_H_
