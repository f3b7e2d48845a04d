// SPDX-License-Identifier: MIT
// A file that describes machines, which need not exist: one worker on each. docs/planning.md has
// the format.
#ifndef TERN_PARTITION_HOSTS_H_
#define TERN_PARTITION_HOSTS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "partition/worker_profile.h"

namespace tern {

// `name` is for messages. INVALID_ARGUMENT, naming host and field, for text that is not JSON, lacks
// a field, has one that is not known, or a number that cannot be.
absl::StatusOr<ClusterProfile> ParseHosts(absl::string_view text, const std::string& name);

// NOT_FOUND if there is no such file; otherwise as ParseHosts.
absl::StatusOr<ClusterProfile> ReadHosts(const std::string& path);

}  // namespace tern

#endif  // TERN_PARTITION_HOSTS_H_
