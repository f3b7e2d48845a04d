// SPDX-License-Identifier: MIT
// Any bytes as a Hugging Face config.json.
#include "base/log.h"
#include "base/status_macros.h"
#include "formats/json_text.h"
#include "model/hf_config.h"
#include "tests/fuzz/fuzz_target.h"

namespace tern {

absl::Status RunFuzzTarget(std::span<const uint8_t> bytes) {
  TERN_ASSIGN_OR_RETURN(
      const nlohmann::json json,
      ParseJsonObject({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "fuzz"));
  const absl::StatusOr<HfConfig> config = ReadHfConfig(json, "fuzz");
  TERN_CHECK(config.ok() || absl::IsDataLoss(config.status()) ||
             absl::IsFailedPrecondition(config.status()));
  if (config.ok()) Validate(config->model).IgnoreError();
  return config.status();
}

}  // namespace tern
