// SPDX-License-Identifier: MIT
#include "formats/gguf_tensor_types.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "formats/gguf_types.h"

namespace tern {
namespace {

constexpr uint32_t kI2S = 36;  // or IQ4_NL_4_4
constexpr uint32_t kTl1 = 38;  // or IQ4_NL_8_8
constexpr uint32_t kTl2 = 39;  // or MXFP4
constexpr uint32_t kQ2 = 42;   // groups of 64, or of 128

// Types of other programs that this build does not read.
constexpr std::pair<uint32_t, const char*> kOtherTypes[] = {
    {3, "Q4_1"},      {6, "Q5_0"},     {7, "Q5_1"},   {9, "Q8_1"},      {10, "Q2_K"},
    {11, "Q3_K"},     {12, "Q4_K"},    {13, "Q5_K"},  {15, "Q8_K"},     {16, "IQ2_XXS"},
    {17, "IQ2_XS"},   {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"},   {21, "IQ3_S"},
    {22, "IQ2_S"},    {23, "IQ4_XS"},  {24, "I8"},    {25, "I16"},      {26, "I32"},
    {27, "I64"},      {28, "F64"},     {29, "IQ1_M"}, {31, "Q4_0_4_4"}, {32, "Q4_0_4_8"},
    {33, "Q4_0_8_8"}, {37, "I8_S"},    {40, "NVFP4"}, {41, "Q1_0"},     {335, "IQ2_BN_R4"},
};

constexpr char kLookupTables[] =
    ": its bytes depend on tile sizes that the program which wrote it was built with and that the "
    "file does not record; convert the Hugging Face directory with tern convert, or use a file of "
    "type I2_S";

uint64_t Elements(const TensorInfo& info) {
  uint64_t elements = 1;
  for (const uint64_t extent : info.shape) {
    if (__builtin_mul_overflow(elements, extent, &elements)) return 0;
  }
  return elements;
}

// Whether `bytes` are what the tensor takes: up to the next one, or within the rest of the file.
bool Fills(const PlacedTensor& tensor, uint64_t bytes, uint64_t alignment, bool is_last) {
  if (bytes > tensor.space) return false;
  return is_last ? tensor.space - bytes < alignment : GgufAlign(bytes, alignment) == tensor.space;
}

std::string Name(uint32_t type) {
  for (const auto& [number, name] : kOtherTypes) {
    if (number == type) return absl::StrCat(name, " (", type, ")");
  }
  return absl::StrCat(type);
}

std::string NotRead(const std::string& name, absl::string_view more = "") {
  return absl::StrCat("found tensor type ", name, ", which this build does not read", more);
}

// The reason why a type that is not known cannot be read; empty if it can.
std::string Unreadable(const PlacedTensor& tensor, uint64_t alignment, bool is_last) {
  const auto type = static_cast<uint32_t>(tensor.info.type);
  const uint64_t blocks = Elements(tensor.info) / 32;
  constexpr uint64_t kIq4Bytes = 18, kMxfp4Bytes = 17;
  switch (type) {
    case kI2S: {
      const absl::StatusOr<uint64_t> bytes =
          TensorBytes(static_cast<TensorType>(type), tensor.info.shape);
      const bool is_i2s = bytes.ok() && Fills(tensor, *bytes, alignment, is_last);
      const bool is_iq4 = Fills(tensor, blocks * kIq4Bytes, alignment, is_last);
      return !is_i2s && is_iq4 ? NotRead("IQ4_NL_4_4 (36)") : "";
    }
    case kTl1:
      if (Fills(tensor, blocks * kIq4Bytes, alignment, is_last)) return NotRead("IQ4_NL_8_8 (38)");
      return NotRead("TL1 (38)", kLookupTables);
    case kTl2:
      if (Fills(tensor, blocks * kMxfp4Bytes, alignment, is_last)) return NotRead("MXFP4 (39)");
      return NotRead("TL2 (39)", kLookupTables);
    case 335:
      return NotRead(Name(type), ": a layout that ik_llama.cpp makes when it loads; use IQ2_BN");
    default:
      return IsKnown(tensor.info.type) ? "" : NotRead(Name(type));
  }
}

}  // namespace

absl::Status ResolveTensorTypes(uint64_t alignment, std::vector<PlacedTensor>& tensors) {
  uint64_t last_offset = 0;
  for (const PlacedTensor& tensor : tensors) last_offset = std::max(last_offset, tensor.offset);
  const auto is_last = [&](const PlacedTensor& tensor) { return tensor.offset == last_offset; };
  // All tensors of type 42 were written by one program: a small one alone may fit both ways.
  const auto all_fill = [&](TensorType type) {
    return std::all_of(tensors.begin(), tensors.end(), [&](const PlacedTensor& tensor) {
      if (static_cast<uint32_t>(tensor.info.type) != kQ2) return true;
      const absl::StatusOr<uint64_t> bytes = TensorBytes(type, tensor.info.shape);
      return bytes.ok() && Fills(tensor, *bytes, alignment, is_last(tensor));
    });
  };
  const bool legacy = !all_fill(TensorType::kQ2_0) && all_fill(TensorType::kPQ2_0);
  for (PlacedTensor& tensor : tensors) {
    if (legacy && static_cast<uint32_t>(tensor.info.type) == kQ2) {
      tensor.info.type = TensorType::kPQ2_0;
    }
    tensor.unreadable = Unreadable(tensor, alignment, is_last(tensor));
    if (!tensor.unreadable.empty()) continue;
    const absl::StatusOr<uint64_t> bytes = TensorBytes(tensor.info.type, tensor.info.shape);
    if (!bytes.ok()) {
      return absl::DataLossError(absl::StrCat("tensor ", absl::Utf8SafeCEscape(tensor.info.name),
                                              ": ", bytes.status().message()));
    }
    tensor.info.bytes = *bytes;
  }
  return absl::OkStatus();
}

}  // namespace tern
