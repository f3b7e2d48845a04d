// SPDX-License-Identifier: MIT
#include "formats/safetensors.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "formats/json_text.h"

namespace tern {
namespace {

constexpr uint64_t kMostHeaderBytes = 100'000'000;  // as the format's own reader has it
constexpr char kMetadata[] = "__metadata__";
constexpr char kOneFile[] = "model.safetensors";
constexpr char kIndex[] = "model.safetensors.index.json";

constexpr std::pair<const char*, uint64_t> kElementBytes[] = {
    {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1},
    {"U16", 2},  {"I16", 2}, {"F16", 2}, {"BF16", 2},    {"U32", 4},
    {"I32", 4},  {"F32", 4}, {"U64", 8}, {"I64", 8},     {"F64", 8}};

uint64_t ElementBytes(absl::string_view dtype) {
  for (const auto& [name, bytes] : kElementBytes) {
    if (dtype == name) return bytes;
  }
  return 0;
}

// A whole number that JSON may hold as signed or unsigned.
bool ReadUnsigned(const nlohmann::json& json, uint64_t& to) {
  if (!json.is_number_unsigned()) return false;
  to = json.get<uint64_t>();
  return true;
}

// The header of one tensor, within `data`.
class EntryReader {
 public:
  EntryReader(const std::string& file, const std::string& tensor, std::span<const uint8_t> data)
      : what_(absl::StrCat(file, ": tensor ", absl::Utf8SafeCEscape(tensor), ": ")), data_(data) {}

  absl::StatusOr<Safetensor> Read(const std::string& name, const nlohmann::json& entry) {
    Safetensor tensor;
    tensor.name = name;
    if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() ||
        !entry.contains("shape") || !entry["shape"].is_array() || !entry.contains("data_offsets") ||
        !entry["data_offsets"].is_array() || entry["data_offsets"].size() != 2) {
      return Damaged("want dtype, shape and two data_offsets");
    }
    tensor.dtype = entry["dtype"].get<std::string>();
    uint64_t bytes = ElementBytes(tensor.dtype);
    if (bytes == 0) {
      return absl::FailedPreconditionError(absl::StrCat(what_, "found dtype ",
                                                        absl::Utf8SafeCEscape(tensor.dtype),
                                                        ", which this build does not know"));
    }
    for (const nlohmann::json& extent : entry["shape"]) {
      uint64_t value = 0;
      if (!ReadUnsigned(extent, value) || __builtin_mul_overflow(bytes, value, &bytes)) {
        return Damaged("found a shape of more than 2^64 bytes, or not of whole numbers");
      }
      tensor.shape.push_back(value);
    }
    uint64_t begin = 0, end = 0;
    if (!ReadUnsigned(entry["data_offsets"][0], begin) ||
        !ReadUnsigned(entry["data_offsets"][1], end) || begin > end || end > data_.size()) {
      return Damaged(absl::StrCat("data_offsets: found ", entry["data_offsets"].dump(),
                                  ", want within ", data_.size(), " bytes of data"));
    }
    if (end - begin != bytes) {
      return Damaged(absl::StrCat("found ", end - begin, " bytes, want ", bytes, " for its shape"));
    }
    tensor.data = data_.subspan(begin, bytes);
    return tensor;
  }

 private:
  absl::Status Damaged(absl::string_view text) const {
    return absl::DataLossError(absl::StrCat(what_, text));
  }

  const std::string what_;
  const std::span<const uint8_t> data_;
};

absl::Status CheckOverlaps(const std::vector<Safetensor>& tensors, const std::string& file) {
  std::vector<const Safetensor*> ordered;
  for (const Safetensor& tensor : tensors) {
    if (!tensor.data.empty()) ordered.push_back(&tensor);
  }
  std::sort(ordered.begin(), ordered.end(),
            [](const auto* a, const auto* b) { return a->data.data() < b->data.data(); });
  for (size_t i = 1; i < ordered.size(); ++i) {
    const std::span<const uint8_t> before = ordered[i - 1]->data;
    if (before.data() + before.size() <= ordered[i]->data.data()) continue;
    return absl::DataLossError(absl::StrCat(file, ": tensors ",
                                            absl::Utf8SafeCEscape(ordered[i - 1]->name), " and ",
                                            absl::Utf8SafeCEscape(ordered[i]->name), " overlap"));
  }
  return absl::OkStatus();
}

bool IsPlainFileName(absl::string_view name) {
  constexpr absl::string_view kSeparators("/\\\0", 3);
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(kSeparators) == absl::string_view::npos;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SafetensorsFile>> SafetensorsFile::Open(const std::string& path) {
  TERN_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> mapped, MappedFile::Open(path));
  TERN_ASSIGN_OR_RETURN(std::unique_ptr<SafetensorsFile> file, Parse(mapped->bytes(), path));
  file->file_ = std::move(mapped);
  return file;
}

absl::StatusOr<std::unique_ptr<SafetensorsFile>> SafetensorsFile::Parse(
    std::span<const uint8_t> bytes, const std::string& name) {
  uint64_t header_bytes = 0;
  if (bytes.size() < sizeof(header_bytes)) {
    return absl::DataLossError(absl::StrCat(name, ": found ", bytes.size(), " bytes, want 8 for ",
                                            "the length of the header"));
  }
  std::memcpy(&header_bytes, bytes.data(), sizeof(header_bytes));
  const std::span<const uint8_t> rest = bytes.subspan(sizeof(header_bytes));
  if (header_bytes > rest.size() || header_bytes > kMostHeaderBytes) {
    return absl::DataLossError(absl::StrCat(name, ": found a header of ", header_bytes,
                                            " bytes, want at most ",
                                            std::min<uint64_t>(rest.size(), kMostHeaderBytes)));
  }
  const absl::string_view header(reinterpret_cast<const char*>(rest.data()), header_bytes);
  TERN_ASSIGN_OR_RETURN(const nlohmann::json json, ParseJsonObject(header, name));
  std::unique_ptr<SafetensorsFile> file(new SafetensorsFile);
  for (const auto& [tensor, entry] : json.items()) {
    if (tensor == kMetadata) continue;
    EntryReader reader(name, tensor, rest.subspan(header_bytes));
    TERN_ASSIGN_OR_RETURN(Safetensor read, reader.Read(tensor, entry));
    file->tensors_.push_back(std::move(read));
  }
  TERN_RETURN_IF_ERROR(CheckOverlaps(file->tensors_, name));
  return file;
}

absl::StatusOr<std::map<std::string, std::string>> ParseSafetensorsIndex(absl::string_view text,
                                                                         const std::string& name) {
  TERN_ASSIGN_OR_RETURN(const nlohmann::json index, ParseJsonObject(text, name));
  const auto weight_map = index.find("weight_map");
  if (weight_map == index.end() || !weight_map->is_object()) {
    return absl::DataLossError(absl::StrCat(name, ": want an object weight_map"));
  }
  std::map<std::string, std::string> files;
  for (const auto& [tensor, entry] : weight_map->items()) {
    const std::string file = entry.is_string() ? entry.get<std::string>() : "";
    if (!IsPlainFileName(file)) {
      return absl::DataLossError(absl::StrCat(name, ": weight_map: ", absl::Utf8SafeCEscape(tensor),
                                              ": found ", absl::Utf8SafeCEscape(entry.dump()),
                                              ", want the name of a file in the same folder"));
    }
    files.emplace(tensor, file);
  }
  return files;
}

absl::Status SafetensorsSet::Add(const std::string& path) {
  TERN_ASSIGN_OR_RETURN(std::unique_ptr<SafetensorsFile> file, SafetensorsFile::Open(path));
  for (const Safetensor& tensor : file->tensors()) {
    if (!by_name_.emplace(tensor.name, &tensor).second) {
      return absl::DataLossError(absl::StrCat(path, ": tensor ", absl::Utf8SafeCEscape(tensor.name),
                                              " is in another shard, too"));
    }
    tensors_.push_back(&tensor);
    bytes_ += tensor.data.size();
  }
  files_.push_back(std::move(file));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<SafetensorsSet>> SafetensorsSet::Open(const std::string& directory) {
  const std::filesystem::path folder(directory);
  std::unique_ptr<SafetensorsSet> set(new SafetensorsSet);
  const absl::Status one = set->Add(folder / kOneFile);
  if (one.ok()) return set;
  if (!absl::IsNotFound(one)) return one;
  const std::string index_path = folder / kIndex;
  const absl::StatusOr<std::unique_ptr<MappedFile>> index = MappedFile::Open(index_path);
  if (absl::IsNotFound(index.status())) {
    return absl::NotFoundError(
        absl::StrCat(directory, ": found neither ", kOneFile, " nor ", kIndex));
  }
  if (!index.ok()) return index.status();
  const std::span<const uint8_t> text = (*index)->bytes();
  TERN_ASSIGN_OR_RETURN(
      const auto weight_map,
      ParseSafetensorsIndex({reinterpret_cast<const char*>(text.data()), text.size()}, index_path));
  std::set<std::string> shards;
  for (const auto& [name, shard] : weight_map) shards.insert(shard);
  for (const std::string& shard : shards) TERN_RETURN_IF_ERROR(set->Add(folder / shard));
  for (const auto& [name, shard] : weight_map) {
    if (set->Find(name) != nullptr) continue;
    return absl::DataLossError(absl::StrCat(directory, ": tensor ", absl::Utf8SafeCEscape(name),
                                            " is not in ", shard, ", where the index has it"));
  }
  return set;
}

const Safetensor* SafetensorsSet::Find(absl::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

}  // namespace tern
