// SPDX-License-Identifier: MIT
#include "tools/bench_format.h"

#include "absl/strings/str_format.h"

namespace tern {

using Json = nlohmann::ordered_json;

std::string SpreadText(const Spread& spread, int decimals) {
  return absl::StrFormat("%.*f (%.*f-%.*f)", decimals, spread.median, decimals, spread.min,
                         decimals, spread.max);
}

Json SpreadJson(const Spread& spread) {
  return {{"median", spread.median}, {"min", spread.min}, {"max", spread.max}};
}

Json MachineJson(const Machine& machine) {
  return {{"cpu", machine.cpu},         {"cores", machine.cores},
          {"os", machine.os},           {"load_average", machine.load_average},
          {"version", machine.version}, {"commit", machine.commit}};
}

}  // namespace tern
