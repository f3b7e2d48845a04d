// SPDX-License-Identifier: MIT
// The results of `tern bench cluster` as text for a terminal and as JSON.
#ifndef TERN_TOOLS_CLUSTER_REPORT_H_
#define TERN_TOOLS_CLUSTER_REPORT_H_

#include <cstdio>
#include <string>

#include "absl/status/status.h"
#include "bench/report.h"
#include "tools/cluster_bench.h"

namespace tern {

std::string FormatCluster(const ClusterReport& report, const ClusterBenchOptions& options);

// {machine, options, results: [one object for each deployment, spreads as {median, min, max}],
// slow_link (if there is one), engine_share, many_tokens_per_s (both if measured), failed (if a
// part did: what ClusterReport::end says)}. Keys are the names of the fields.
std::string ClusterJson(const Machine& machine, const ClusterReport& report,
                        const ClusterBenchOptions& options);

// Prints all of it to `out` and writes its JSON to the file `json`, unless that is "". The error of
// the file, or else the report's end: what failed is published all the same.
absl::Status PublishCluster(const Machine& machine, const ClusterReport& report,
                            const ClusterBenchOptions& options, std::FILE* out,
                            const std::string& json);

}  // namespace tern

#endif  // TERN_TOOLS_CLUSTER_REPORT_H_
