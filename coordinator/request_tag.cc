// SPDX-License-Identifier: MIT
#include "coordinator/request_tag.h"

#include <algorithm>
#include <random>
#include <string>

#include "absl/strings/str_format.h"

namespace tern {
namespace {

constexpr size_t kMaxIdBytes = 128;

// So that it can stand in a log line and be typed.
bool IsUsable(const std::string& id) {
  return !id.empty() && id.size() <= kMaxIdBytes &&
         std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

std::string DrawId() {
  std::random_device device;
  return absl::StrFormat("%08x%08x", device(), device());
}

}  // namespace

RequestTag TagCall(grpc::CallbackServerContext& context) {
  RequestTag tag{.id = "", .client = context.peer()};
  const auto sent = context.client_metadata().find(kRequestIdKey);
  if (sent != context.client_metadata().end()) tag.id = {sent->second.data(), sent->second.size()};
  if (!IsUsable(tag.id)) tag.id = DrawId();
  context.AddInitialMetadata(kRequestIdKey, tag.id);
  return tag;
}

}  // namespace tern
