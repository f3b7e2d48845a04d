// SPDX-License-Identifier: MIT
// Energy of the processor packages, from RAPL by way of Linux's powercap.
#ifndef TERN_BENCH_ENERGY_H_
#define TERN_BENCH_ENERGY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tern {

inline constexpr char kPowercapRoot[] = "/sys/class/powercap";

// Thread-compatible.
class EnergyMeter {
 public:
  // Finds the counters of whole packages. Most systems let only root read them.
  explicit EnergyMeter(const std::string& root = kPowercapRoot);

  bool available() const { return !counters_.empty(); }

  // Begins anew.
  void Start();
  // Joules since Start; nothing if there are no counters or one could not be read. Counters wrap
  // within minutes to hours: REQUIRES that less time passed.
  std::optional<double> Joules() const;

 private:
  struct Counter {
    std::string path;    // of energy_uj
    uint64_t range = 0;  // microjoules at which it begins again at 0
    uint64_t start = 0;  // microjoules
  };
  std::vector<Counter> counters_;
};

}  // namespace tern

#endif  // TERN_BENCH_ENERGY_H_
