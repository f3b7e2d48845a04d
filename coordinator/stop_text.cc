// SPDX-License-Identifier: MIT
#include "coordinator/stop_text.h"

#include <algorithm>

namespace tern {
namespace {

// Bytes at the end of `text` that are the beginning, but not the whole, of `stop`; the most.
size_t BegunBytes(const std::string& text, const std::string& stop) {
  for (size_t bytes = std::min(text.size(), stop.size() - 1); bytes > 0; --bytes) {
    if (text.compare(text.size() - bytes, bytes, stop, 0, bytes) == 0) return bytes;
  }
  return 0;
}

}  // namespace

std::string StopText::Push(absl::string_view text) {
  held_.append(text.data(), text.size());
  size_t first_end = std::string::npos;
  size_t cut = 0;  // where the stop text that ends first begins
  size_t begun = 0;
  for (const std::string& stop : stops_) {
    begun = std::max(begun, BegunBytes(held_, stop));
    const size_t begin = held_.find(stop);
    if (begin == std::string::npos) continue;
    const size_t end = begin + stop.size();
    if (end < first_end || (end == first_end && begin < cut)) {
      first_end = end;
      cut = begin;
    }
  }
  stopped_ = first_end != std::string::npos;
  const size_t shown_bytes = stopped_ ? cut : held_.size() - begun;
  const std::string shown = held_.substr(0, shown_bytes);
  held_.erase(0, stopped_ ? std::string::npos : shown_bytes);
  return shown;
}

std::string StopText::Finish() {
  std::string rest;
  rest.swap(held_);
  return rest;
}

}  // namespace tern
