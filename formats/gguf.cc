// SPDX-License-Identifier: MIT
#include "formats/gguf.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "formats/gguf_tensor_types.h"
#include "formats/gguf_types.h"

namespace tern {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF files are read in place");

constexpr uint64_t kMaxKeyBytes = 65535;  // the format's own bound
constexpr uint64_t kMaxTensorNameBytes = 256;
constexpr uint64_t kMaxStringBytes = 1 << 24;
constexpr uint64_t kMaxArrayElements = 1 << 24;
constexpr uint64_t kMaxAlignment = 1 << 20;
constexpr uint32_t kMaxDimensions = 4;
// The least that an entry can take: key length, one letter, type, value of one byte; and name
// length, one letter, dimension count, one dimension, type, offset.
constexpr uint64_t kMinKeyValueBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kMinTensorInfoBytes = 8 + 1 + 4 + 8 + 4 + 8;

// Reads little-endian fields one after the other and never past the end.
class Reader {
 public:
  Reader(std::span<const uint8_t> bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  uint64_t position() const { return position_; }
  uint64_t left() const { return bytes_.size() - position_; }

  // DATA_LOSS naming the file and `position`.
  template <typename... Parts>
  absl::Status Damaged(uint64_t position, const Parts&... parts) const {
    return absl::DataLossError(absl::StrCat(file_, ": ", parts..., ", at byte ", position));
  }

  absl::Status Need(uint64_t bytes, absl::string_view what) const {
    if (bytes <= left()) return absl::OkStatus();
    return Damaged(position_, what, ": found ", left(), " bytes, want ", bytes);
  }

  template <typename T>
  absl::StatusOr<T> Number(absl::string_view what) {
    TERN_RETURN_IF_ERROR(Need(sizeof(T), what));
    return Take<T>();
  }

  // REQUIRES Need(sizeof(T)) has been checked.
  template <typename T>
  T Take() {
    T value;
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }

  absl::StatusOr<std::string> String(absl::string_view what, uint64_t most) {
    const uint64_t at = position_;
    TERN_ASSIGN_OR_RETURN(const uint64_t length, Number<uint64_t>(what));
    if (length > most) {
      return Damaged(at, what, ": found a string of ", length, " bytes, want at most ", most);
    }
    TERN_RETURN_IF_ERROR(Need(length, what));
    std::string text(reinterpret_cast<const char*>(bytes_.data()) + position_, length);
    position_ += length;
    return text;
  }

  // A count of things that take at least `least_bytes` each, so it is bounded by the file's size.
  absl::StatusOr<uint64_t> Count(absl::string_view what, uint64_t least_bytes) {
    const uint64_t at = position_;
    TERN_ASSIGN_OR_RETURN(const uint64_t count, Number<uint64_t>(what));
    if (count <= left() / least_bytes) return count;
    return Damaged(at, what, ": found ", count, ", but only ", left(), " bytes follow");
  }

 private:
  const std::span<const uint8_t> bytes_;
  const std::string& file_;
  uint64_t position_ = 0;
};

// `count` numbers of the stored type, widened.
template <typename Stored, typename Held>
absl::StatusOr<GgufArray> ReadNumbers(Reader& reader, uint64_t count, absl::string_view what) {
  if (count > reader.left() / sizeof(Stored)) {
    return reader.Damaged(reader.position(), what, ": found ", reader.left(), " bytes, want ",
                          count, " elements of ", sizeof(Stored));
  }
  std::vector<Held> values(count);
  for (Held& value : values) value = reader.Take<Stored>();
  return values;
}

absl::StatusOr<GgufArray> ReadBools(Reader& reader, uint64_t count, absl::string_view what) {
  TERN_RETURN_IF_ERROR(reader.Need(count, what));
  std::vector<bool> values(count);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t at = reader.position();
    const uint8_t byte = reader.Take<uint8_t>();
    if (byte > 1) return reader.Damaged(at, what, ": found boolean ", byte, ", want 0 or 1");
    values[i] = byte == 1;
  }
  return values;
}

absl::StatusOr<GgufArray> ReadStrings(Reader& reader, uint64_t count, absl::string_view what) {
  if (count > reader.left() / sizeof(uint64_t)) {
    return reader.Damaged(reader.position(), what, ": found ", reader.left(), " bytes, want ",
                          count, " strings");
  }
  std::vector<std::string> values(count);
  for (std::string& value : values) {
    TERN_ASSIGN_OR_RETURN(value, reader.String(what, kMaxStringBytes));
  }
  return values;
}

absl::StatusOr<GgufArray> ReadElements(Reader& reader, uint32_t type, uint64_t count,
                                       absl::string_view what) {
  switch (static_cast<GgufType>(type)) {
    case GgufType::kUint8:
      return ReadNumbers<uint8_t, uint64_t>(reader, count, what);
    case GgufType::kInt8:
      return ReadNumbers<int8_t, int64_t>(reader, count, what);
    case GgufType::kUint16:
      return ReadNumbers<uint16_t, uint64_t>(reader, count, what);
    case GgufType::kInt16:
      return ReadNumbers<int16_t, int64_t>(reader, count, what);
    case GgufType::kUint32:
      return ReadNumbers<uint32_t, uint64_t>(reader, count, what);
    case GgufType::kInt32:
      return ReadNumbers<int32_t, int64_t>(reader, count, what);
    case GgufType::kFloat32:
      return ReadNumbers<float, double>(reader, count, what);
    case GgufType::kUint64:
      return ReadNumbers<uint64_t, uint64_t>(reader, count, what);
    case GgufType::kInt64:
      return ReadNumbers<int64_t, int64_t>(reader, count, what);
    case GgufType::kFloat64:
      return ReadNumbers<double, double>(reader, count, what);
    case GgufType::kBool:
      return ReadBools(reader, count, what);
    case GgufType::kString:
      return ReadStrings(reader, count, what);
    case GgufType::kArray:
      return reader.Damaged(reader.position(), what, ": an array of arrays is not supported");
  }
  return reader.Damaged(reader.position(), what, ": found value type ", type, ", want 0 to 12");
}

absl::StatusOr<GgufValue> ReadValue(Reader& reader, absl::string_view key) {
  TERN_ASSIGN_OR_RETURN(const uint32_t type, reader.Number<uint32_t>(key));
  GgufValue value;
  if (static_cast<GgufType>(type) != GgufType::kArray) {  // read as an array of one
    TERN_ASSIGN_OR_RETURN(GgufArray one, ReadElements(reader, type, 1, key));
    std::visit(
        [&](auto& elements) {
          using Element = typename std::decay_t<decltype(elements)>::value_type;
          value.value.emplace<Element>(std::move(elements[0]));
        },
        one);
    return value;
  }
  TERN_ASSIGN_OR_RETURN(const uint32_t element_type, reader.Number<uint32_t>(key));
  const uint64_t at = reader.position();
  TERN_ASSIGN_OR_RETURN(const uint64_t count, reader.Number<uint64_t>(key));
  if (count > kMaxArrayElements) {
    return reader.Damaged(at, key, ": found ", count, " elements, want at most ",
                          kMaxArrayElements);
  }
  TERN_ASSIGN_OR_RETURN(GgufArray elements, ReadElements(reader, element_type, count, key));
  value.value.emplace<GgufArray>(std::move(elements));
  return value;
}

struct Header {
  uint32_t version = 0;
  uint64_t tensors = 0;
  uint64_t keys = 0;
};

absl::StatusOr<Header> ReadHeader(Reader& reader, const std::string& file) {
  TERN_ASSIGN_OR_RETURN(const uint32_t magic, reader.Number<uint32_t>("magic"));
  if (magic != kGgufMagic) {
    return absl::DataLossError(
        absl::StrCat(file, ": not a GGUF file: it does not start with GGUF"));
  }
  Header header;
  TERN_ASSIGN_OR_RETURN(header.version, reader.Number<uint32_t>("version"));
  if (header.version != 0 && (header.version & 0xffff) == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(file, ": a big-endian GGUF file; this build reads little-endian ones"));
  }
  if (header.version != 2 && header.version != 3) {
    return absl::FailedPreconditionError(
        absl::StrCat(file, ": GGUF version: found ", header.version, ", want 2 or 3"));
  }
  const uint64_t at = reader.position();
  TERN_ASSIGN_OR_RETURN(header.tensors, reader.Count("tensor count", kMinTensorInfoBytes));
  TERN_ASSIGN_OR_RETURN(header.keys, reader.Count("metadata count", kMinKeyValueBytes));
  if (header.tensors * kMinTensorInfoBytes + header.keys * kMinKeyValueBytes > reader.left()) {
    return reader.Damaged(at, "counts: found ", header.tensors, " tensors and ", header.keys,
                          " keys, but only ", reader.left(), " bytes follow");
  }
  return header;
}

absl::StatusOr<PlacedTensor> ReadTensorInfo(Reader& reader) {
  PlacedTensor tensor;
  const uint64_t at = reader.position();
  TERN_ASSIGN_OR_RETURN(tensor.info.name, reader.String("tensor name", kMaxTensorNameBytes));
  const std::string what = absl::StrCat("tensor ", absl::Utf8SafeCEscape(tensor.info.name));
  TERN_ASSIGN_OR_RETURN(const uint32_t dimensions, reader.Number<uint32_t>(what));
  if (dimensions < 1 || dimensions > kMaxDimensions) {
    return reader.Damaged(at, what, ": found ", dimensions, " dimensions, want 1 to ",
                          kMaxDimensions);
  }
  for (uint32_t i = 0; i < dimensions; ++i) {
    TERN_ASSIGN_OR_RETURN(const uint64_t extent, reader.Number<uint64_t>(what));
    if (extent == 0) return reader.Damaged(at, what, ": a dimension is 0");
    tensor.info.shape.push_back(extent);
  }
  TERN_ASSIGN_OR_RETURN(const uint32_t type, reader.Number<uint32_t>(what));
  tensor.info.type = static_cast<TensorType>(type);
  TERN_ASSIGN_OR_RETURN(tensor.offset, reader.Number<uint64_t>(what));
  return tensor;
}

// In the order of their offsets.
std::vector<PlacedTensor*> Ordered(std::vector<PlacedTensor>& tensors) {
  std::vector<PlacedTensor*> ordered;
  for (PlacedTensor& tensor : tensors) ordered.push_back(&tensor);
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const auto* a, const auto* b) { return a->offset < b->offset; });
  return ordered;
}

// Sets each tensor's space, after checking that all begin aligned inside `data_bytes` bytes.
absl::Status MeasureSpaces(std::vector<PlacedTensor>& tensors, uint64_t data_bytes,
                           uint64_t alignment, const std::string& file) {
  uint64_t end = data_bytes;
  std::vector<PlacedTensor*> ordered = Ordered(tensors);
  std::reverse(ordered.begin(), ordered.end());
  for (PlacedTensor* tensor : ordered) {
    const std::string what =
        absl::StrCat(file, ": tensor ", absl::Utf8SafeCEscape(tensor->info.name), ": ");
    if (tensor->offset % alignment != 0) {
      return absl::DataLossError(
          absl::StrCat(what, "found offset ", tensor->offset, ", want a multiple of ", alignment));
    }
    // What lies past the end is found by CheckLayout, which knows how long it is.
    tensor->space = tensor->offset > end ? 0 : end - tensor->offset;
    end = std::min(end, tensor->offset);
  }
  return absl::OkStatus();
}

// Checks that the tensors lie inside `data_bytes` bytes and apart from each other.
absl::Status CheckLayout(std::vector<PlacedTensor>& tensors, uint64_t data_bytes,
                         const std::string& file) {
  uint64_t end = 0;  // of the tensor before
  for (const PlacedTensor* tensor : Ordered(tensors)) {
    const std::string what =
        absl::StrCat(file, ": tensor ", absl::Utf8SafeCEscape(tensor->info.name), ": ");
    if (tensor->offset > data_bytes || tensor->info.bytes > data_bytes - tensor->offset) {
      return absl::DataLossError(absl::StrCat(what, "found ", tensor->info.bytes,
                                              " bytes at offset ", tensor->offset, ", want within ",
                                              data_bytes, " bytes of tensor data"));
    }
    if (tensor->offset < end) {
      return absl::DataLossError(absl::StrCat(what, "found offset ", tensor->offset,
                                              ", want at least ", end,
                                              ", where another tensor ends"));
    }
    end = tensor->offset + tensor->info.bytes;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<GgufFile>> GgufFile::Open(const std::string& path) {
  TERN_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> mapped, MappedFile::Open(path));
  TERN_ASSIGN_OR_RETURN(std::unique_ptr<GgufFile> file, Parse(mapped->bytes(), path));
  file->file_ = std::move(mapped);
  return file;
}

absl::StatusOr<std::unique_ptr<GgufFile>> GgufFile::Parse(std::span<const uint8_t> bytes,
                                                          const std::string& name) {
  std::unique_ptr<GgufFile> file(new GgufFile);
  file->bytes_ = bytes;
  file->name_ = name;
  Reader reader(bytes, name);
  TERN_ASSIGN_OR_RETURN(const Header header, ReadHeader(reader, name));
  file->version_ = header.version;

  for (uint64_t i = 0; i < header.keys; ++i) {
    const uint64_t at = reader.position();
    TERN_ASSIGN_OR_RETURN(std::string key, reader.String("metadata key", kMaxKeyBytes));
    TERN_ASSIGN_OR_RETURN(GgufValue value, ReadValue(reader, absl::Utf8SafeCEscape(key)));
    if (!file->metadata_index_.emplace(key, i).second) {
      return reader.Damaged(at, "metadata key ", absl::Utf8SafeCEscape(key), " occurs twice");
    }
    file->metadata_.emplace_back(std::move(key), std::move(value));
  }
  std::vector<PlacedTensor> tensors;
  for (uint64_t i = 0; i < header.tensors; ++i) {
    const uint64_t at = reader.position();
    TERN_ASSIGN_OR_RETURN(PlacedTensor tensor, ReadTensorInfo(reader));
    if (!file->tensor_index_.emplace(tensor.info.name, i).second) {
      return reader.Damaged(at, "tensor ", absl::Utf8SafeCEscape(tensor.info.name),
                            " occurs twice");
    }
    tensors.push_back(std::move(tensor));
  }

  uint64_t alignment = kGgufDefaultAlignment;
  if (file->Has(kGgufAlignmentKey)) {
    TERN_ASSIGN_OR_RETURN(alignment, file->Unsigned(kGgufAlignmentKey));
    if (!std::has_single_bit(alignment) || alignment < 8 || alignment > kMaxAlignment) {
      return absl::DataLossError(absl::StrCat(name, ": ", kGgufAlignmentKey, ": found ", alignment,
                                              ", want a power of two between 8 and ",
                                              kMaxAlignment));
    }
  }
  const uint64_t data = GgufAlign(reader.position(), alignment);
  if (!tensors.empty()) {
    const uint64_t data_bytes = data <= bytes.size() ? bytes.size() - data : 0;
    TERN_RETURN_IF_ERROR(MeasureSpaces(tensors, data_bytes, alignment, name));
    const absl::Status resolved = ResolveTensorTypes(alignment, tensors);
    if (!resolved.ok()) {
      return absl::DataLossError(absl::StrCat(name, ": ", resolved.message()));
    }
    TERN_RETURN_IF_ERROR(CheckLayout(tensors, data_bytes, name));
  }
  for (PlacedTensor& tensor : tensors) {
    file->offsets_.push_back(data + tensor.offset);
    file->unreadable_.push_back(std::move(tensor.unreadable));
    file->tensors_.push_back(std::move(tensor.info));
  }
  return file;
}

absl::StatusOr<TensorView> GgufFile::Find(absl::string_view name) const {
  const auto found = tensor_index_.find(name);
  if (found == tensor_index_.end()) {
    return absl::NotFoundError(absl::StrCat(name_, ": no tensor ", name));
  }
  const TensorInfo& info = tensors_[found->second];
  const std::string& unreadable = unreadable_[found->second];
  if (!unreadable.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(name_, ": tensor ", absl::Utf8SafeCEscape(info.name), ": ", unreadable));
  }
  return TensorView{.info = info,
                    .data = bytes_.subspan(offsets_[found->second], info.bytes),
                    .owner = file_,
                    .is_mapped = file_ != nullptr};
}

}  // namespace tern
