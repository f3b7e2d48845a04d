// SPDX-License-Identifier: MIT
#include "tools/mpi_exchange.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"

namespace tern {
namespace {

// First byte of a letter: a status code, 0 for OK; the value or the error's text follow.
std::string Encode(const absl::StatusOr<std::string>& value) {
  std::string letter(1, static_cast<char>(value.status().code()));
  return letter + (value.ok() ? *value : std::string(value.status().message()));
}

absl::StatusOr<std::string> Decode(size_t rank, const std::string& letter) {
  if (letter.empty()) return absl::DataLossError(absl::StrCat("rank ", rank, ": an empty letter"));
  std::string text = letter.substr(1);
  const auto code = static_cast<absl::StatusCode>(letter[0]);
  if (code == absl::StatusCode::kOk) return text;
  return absl::Status(code, absl::StrCat("rank ", rank, ": ", text));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> Exchange(MpiWorld& world,
                                                  const absl::StatusOr<std::string>& mine,
                                                  absl::Duration limit) {
  absl::StatusOr<std::vector<std::string>> letters = world.Gather(Encode(mine), limit);
  if (!letters.ok()) {
    LogError(letters.status().message());
    world.Abort();
  }
  for (size_t rank = 0; rank < letters->size(); ++rank) {
    absl::StatusOr<std::string> value = Decode(rank, (*letters)[rank]);
    if (!value.ok()) return value.status();
    (*letters)[rank] = *std::move(value);
  }
  return letters;
}

}  // namespace tern
