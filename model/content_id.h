// SPDX-License-Identifier: MIT
// What a model on disk contains, as a digest, without reading all of it each time.
#ifndef TERN_MODEL_CONTENT_ID_H_
#define TERN_MODEL_CONTENT_ID_H_

#include <string>

#include "base/file_notes.h"

namespace tern {

// Where digests are kept in a cache directory.
FileNotes DigestNotes(const std::string& cache_directory);

// The SHA-256 of a file, or of all files in a directory, as 64 hexadecimal digits. Kept in
// `cache_directory`, if that is not empty, under the files' names, sizes, inodes and times of
// change: the same files are not read again. Empty if they cannot be read.
std::string ContentId(const std::string& path, const std::string& cache_directory);

// Keeps the digest of a file that was hashed as it was written.
void KeepContentId(const std::string& path, const std::string& cache_directory,
                   const std::string& digest);

}  // namespace tern

#endif  // TERN_MODEL_CONTENT_ID_H_
