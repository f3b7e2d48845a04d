// SPDX-License-Identifier: MIT
// The fields that a request may have, whatever form its line has.
#ifndef TERN_BATCH_INPUT_FIELDS_H_
#define TERN_BATCH_INPUT_FIELDS_H_

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "batch/input.h"

namespace tern {

// Takes one field of a request into `item`. null stands for a field left out. INVALID_ARGUMENT,
// naming the field, what was found and what is wanted.
absl::Status ReadRequestField(const std::string& name, const nlohmann::json& value,
                              BatchItem& item);

}  // namespace tern

#endif  // TERN_BATCH_INPUT_FIELDS_H_
