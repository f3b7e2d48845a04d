// SPDX-License-Identifier: MIT
// A report with something in every field.
#ifndef TERN_TESTS_BENCH_SAMPLE_REPORT_H_
#define TERN_TESTS_BENCH_SAMPLE_REPORT_H_

#include "bench/report.h"

namespace tern {

inline Report SampleReport() {
  Report report;
  report.machine = {.cpu = "A CPU",
                    .flags = "avx2 f16c",
                    .cores = 2,
                    .l3_bytes = 1 << 20,
                    .memory_bytes = uint64_t{1} << 34,
                    .governor = "performance",
                    .huge_pages = "always",
                    .os = "Linux 6",
                    .load_average = 0.25,
                    .kernels = {"gemv_t2r16_avx2", "gemm_t2r16_avx2"},
                    .version = "0.1.0",
                    .commit = "0123456789ab",
                    .compiler = "12",
                    .time = "2026-01-02T03:04:05Z"};
  report.model = BenchedModel{.name = "tiny",
                              .architecture = "bitnet-b1.58",
                              .layers = 5,
                              .dim = 128,
                              .ffn_dim = 256,
                              .vocab = 512,
                              .ternary_weights = 1000,
                              .weight_bytes = 250,
                              .head_bytes = 512 * 128 * 2,
                              .kernels = {"128x128: gemv gemm gemm"},
                              .head = "F16, full",
                              .kv_type = "f16"};
  report.limits = {{.threads = 2,
                    .probe = "probe_avx2",
                    .read_gb_per_s = 30,
                    .read_median_gb_per_s = 28.5,
                    .int8_gmac_per_s = 400,
                    .int8_median_gmac_per_s = 390,
                    .sync_ns = 150,
                    .sync_median_ns = 180}};
  report.loads = {{.threads = 2, .seconds = 0.5, .peak_rss_bytes = 1000, .kv_bytes = 100}};
  report.results = {{.test = "pp512",
                     .threads = 2,
                     .batch = 1,
                     .depth = 0,
                     .tokens_per_s = {.median = 100, .min = 90, .max = 110},
                     .bytes_per_token = 3,
                     .weight_bytes_per_token = 2,
                     .head_bytes_per_token = 1,
                     .kv_bytes_per_token = 4,
                     .limit_share = 0.5,
                     .bandwidth_share = 0.25,
                     .int8_share = 0.5,
                     .token_latency_ms = std::nullopt,
                     .time_to_first_token_ms = 5120,
                     .joules_per_token = 0.5},
                    {.test = "tg64",
                     .threads = 2,
                     .batch = 8,
                     .depth = 4096,
                     .tokens_per_s = {.median = 20, .min = 19, .max = 21},
                     .token_latency_ms = Latency{.p50 = 50, .p95 = 51, .p99 = 52},
                     .time_to_first_token_ms = std::nullopt,
                     .joules_per_token = std::nullopt}};
  report.kernels = {{.kernel = "gemv_t2r16_avx2",
                     .rows = 2560,
                     .cols = 640,
                     .tokens = 1,
                     .threads = 2,
                     .seconds = 0.001,
                     .gb_per_s = 20,
                     .gmac_per_s = 80,
                     .limit_share = 0.66}};
  return report;
}

}  // namespace tern

#endif  // TERN_TESTS_BENCH_SAMPLE_REPORT_H_
