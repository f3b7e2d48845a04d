// SPDX-License-Identifier: MIT
// Lines of the output, in the form that their line of the input had (docs/batch.md). The same
// answer gives the same bytes: nothing in them tells when or where they were computed.
#ifndef TERN_BATCH_OUTPUT_H_
#define TERN_BATCH_OUTPUT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "batch/input.h"
#include "coordinator/request.h"
#include "text/tokenizer.h"

namespace tern {

struct BatchAnswer {
  FinishReason reason = FinishReason::kStop;
  std::string text;
  std::vector<SampledToken> tokens;
  uint32_t prompt_tokens = 0;
  uint32_t generated_tokens = 0;
};

// One line of JSON, without its end.
std::string AnswerLine(const BatchItem& item, const BatchAnswer& answer,
                       const Tokenizer& tokenizer);

// The same for an item that cannot be answered.
std::string ErrorLine(const BatchItem& item, const absl::Status& status);

}  // namespace tern

#endif  // TERN_BATCH_OUTPUT_H_
