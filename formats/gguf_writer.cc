// SPDX-License-Identifier: MIT
#include "formats/gguf_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "formats/gguf_types.h"

namespace tern {
namespace {

absl::Status SystemError(const std::string& path, absl::string_view action, int error) {
  const std::string text = absl::StrCat(path, ": cannot ", action, ": ", std::strerror(error));
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    return absl::ResourceExhaustedError(text);
  }
  if (error == ENOENT || error == ENOTDIR) return absl::NotFoundError(text);
  return absl::UnknownError(text);
}

// Builds the metadata and the directory in memory: they are small beside the tensors.
class HeaderBuilder {
 public:
  const std::string& bytes() const { return bytes_; }

  template <typename T>
  void Number(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }

  void String(absl::string_view text) {
    Number<uint64_t>(text.size());
    bytes_.append(text.data(), text.size());
  }

  void Value(const GgufValue& value) {
    std::visit([this](const auto& v) { Put(v); }, value.value);
  }

 private:
  void Type(GgufType type) { Number(static_cast<uint32_t>(type)); }

  // The stored type that holds every one of `values`.
  static GgufType TypeFor(const std::vector<bool>&) { return GgufType::kBool; }
  static GgufType TypeFor(const std::vector<std::string>&) { return GgufType::kString; }
  static GgufType TypeFor(const std::vector<uint64_t>& values) {
    const auto fits = [](uint64_t v) { return v <= std::numeric_limits<uint32_t>::max(); };
    return std::all_of(values.begin(), values.end(), fits) ? GgufType::kUint32 : GgufType::kUint64;
  }
  static GgufType TypeFor(const std::vector<int64_t>& values) {
    const auto fits = [](int64_t v) { return v == static_cast<int32_t>(v); };
    return std::all_of(values.begin(), values.end(), fits) ? GgufType::kInt32 : GgufType::kInt64;
  }
  static GgufType TypeFor(const std::vector<double>& values) {
    const auto fits = [](double v) { return v == static_cast<float>(v); };
    return std::all_of(values.begin(), values.end(), fits) ? GgufType::kFloat32
                                                           : GgufType::kFloat64;
  }

  void Element(GgufType, bool v) { Number<uint8_t>(v ? 1 : 0); }
  void Element(GgufType, const std::string& v) { String(v); }
  void Element(GgufType type, uint64_t v) {
    type == GgufType::kUint32 ? Number(static_cast<uint32_t>(v)) : Number(v);
  }
  void Element(GgufType type, int64_t v) {
    type == GgufType::kInt32 ? Number(static_cast<int32_t>(v)) : Number(v);
  }
  void Element(GgufType type, double v) {
    type == GgufType::kFloat32 ? Number(static_cast<float>(v)) : Number(v);
  }

  template <typename T>
  void Put(const T& value) {
    const GgufType type = TypeFor(std::vector<T>{value});
    Type(type);
    Element(type, value);
  }

  void Put(const GgufArray& array) {
    Type(GgufType::kArray);
    std::visit(
        [this](const auto& values) {
          const GgufType type = TypeFor(values);
          Type(type);
          Number<uint64_t>(values.size());
          for (const auto& value : values) Element(type, value);
        },
        array);
  }

  std::string bytes_;
};

std::string BuildHeader(const std::vector<std::pair<std::string, GgufValue>>& metadata,
                        const std::vector<TensorInfo>& tensors) {
  HeaderBuilder header;
  header.Number(kGgufMagic);
  header.Number<uint32_t>(3);
  header.Number<uint64_t>(tensors.size());
  header.Number<uint64_t>(metadata.size());
  for (const auto& [key, value] : metadata) {
    header.String(key);
    header.Value(value);
  }
  uint64_t offset = 0;
  for (const TensorInfo& tensor : tensors) {
    header.String(tensor.name);
    header.Number(static_cast<uint32_t>(tensor.shape.size()));
    for (const uint64_t extent : tensor.shape) header.Number(extent);
    header.Number(static_cast<uint32_t>(tensor.type));
    header.Number(offset);
    offset = GgufAlign(offset + tensor.bytes, kGgufDefaultAlignment);
  }
  return header.bytes();
}

absl::Status CheckRoom(const std::string& path, uint64_t bytes) {
  const std::filesystem::path folder = std::filesystem::absolute(path).parent_path();
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(folder, error);
  if (error || space.available >= bytes) return absl::OkStatus();  // opening it will tell
  return absl::ResourceExhaustedError(absl::StrCat(path, ": found ", space.available,
                                                   " bytes free on its file system, want ", bytes));
}

}  // namespace

GgufWriter::GgufWriter(std::string path, std::vector<TensorInfo> tensors)
    : path_(std::move(path)),
      part_path_(absl::StrCat(path_, ".", getpid(), ".part")),
      tensors_(std::move(tensors)) {}

absl::StatusOr<std::unique_ptr<GgufWriter>> GgufWriter::Create(
    const std::string& path, const std::vector<std::pair<std::string, GgufValue>>& metadata,
    std::vector<TensorInfo> tensors) {
  for (const auto& [key, value] : metadata) {
    if (key == kGgufAlignmentKey) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": ", key, " cannot be chosen"));
    }
  }
  uint64_t data_bytes = 0;
  for (TensorInfo& tensor : tensors) {
    TERN_ASSIGN_OR_RETURN(tensor.bytes, TensorBytes(tensor.type, tensor.shape));
    if (tensor.shape.empty() || tensor.bytes == 0) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": tensor ", tensor.name, " is empty"));
    }
    data_bytes = GgufAlign(data_bytes + tensor.bytes, kGgufDefaultAlignment);
  }
  const std::string header = BuildHeader(metadata, tensors);
  std::unique_ptr<GgufWriter> writer(new GgufWriter(path, std::move(tensors)));
  writer->total_ = GgufAlign(header.size(), kGgufDefaultAlignment) + data_bytes;
  TERN_RETURN_IF_ERROR(CheckRoom(path, writer->total_));
  TERN_RETURN_IF_ERROR(writer->Open());
  TERN_RETURN_IF_ERROR(writer->Write(AsBytes(header)));
  TERN_RETURN_IF_ERROR(writer->PadToAlignment());
  return writer;
}

GgufWriter::~GgufWriter() {
  if (fd_ >= 0) close(fd_);
  if (!finished_) unlink(part_path_.c_str());
}

absl::Status GgufWriter::Open() {
  fd_ = open(part_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  return fd_ >= 0 ? absl::OkStatus() : SystemError(part_path_, "create it", errno);
}

absl::Status GgufWriter::Write(std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = write(fd_, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return SystemError(part_path_, "write to it", errno);
    written_ += static_cast<uint64_t>(wrote);
    bytes = bytes.subspan(static_cast<size_t>(wrote));
  }
  return absl::OkStatus();
}

absl::Status GgufWriter::PadToAlignment() {
  constexpr uint8_t kZeros[kGgufDefaultAlignment] = {};
  return Write({kZeros, GgufAlign(written_, kGgufDefaultAlignment) - written_});
}

absl::Status GgufWriter::Append(std::span<const uint8_t> bytes) {
  TERN_CHECK(tensor_ < tensors_.size());
  TERN_CHECK(bytes.size() <= tensors_[tensor_].bytes - tensor_bytes_);
  TERN_RETURN_IF_ERROR(Write(bytes));
  tensor_bytes_ += bytes.size();
  if (tensor_bytes_ < tensors_[tensor_].bytes) return absl::OkStatus();
  ++tensor_;
  tensor_bytes_ = 0;
  return PadToAlignment();
}

absl::Status GgufWriter::Finish() {
  TERN_CHECK(tensor_ == tensors_.size() && written_ == total_);
  if (fsync(fd_) != 0) return SystemError(part_path_, "sync it", errno);
  if (close(std::exchange(fd_, -1)) != 0) return SystemError(part_path_, "close it", errno);
  if (rename(part_path_.c_str(), path_.c_str()) != 0) {
    return SystemError(path_, "give the file this name", errno);
  }
  finished_ = true;
  return absl::OkStatus();
}

}  // namespace tern
