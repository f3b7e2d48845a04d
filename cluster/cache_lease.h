// SPDX-License-Identifier: MIT
// Says which files of a cache directory a process uses, so that no other process evicts them.
#ifndef TERN_CLUSTER_CACHE_LEASE_H_
#define TERN_CLUSTER_CACHE_LEASE_H_

#include <memory>
#include <span>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"

namespace tern {

// Ends with the object, or with the process however that ends: it is a locked file in
// `<directory>/in-use`, which lists names.
class CacheLease {
 public:
  // UNKNOWN, with the system's reason, if the file cannot be written.
  static absl::StatusOr<std::unique_ptr<CacheLease>> Take(const std::string& directory,
                                                          std::span<const std::string> names);
  ~CacheLease();
  CacheLease(const CacheLease&) = delete;
  CacheLease& operator=(const CacheLease&) = delete;

  // The names in all leases of a directory, this process's among them. Removes those that ended.
  static absl::flat_hash_set<std::string> NamesInUse(const std::string& directory);

 private:
  CacheLease(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  const std::string path_;
  const int fd_;
};

}  // namespace tern

#endif  // TERN_CLUSTER_CACHE_LEASE_H_
