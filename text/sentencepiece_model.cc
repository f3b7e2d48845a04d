// SPDX-License-Identifier: MIT
#include "text/sentencepiece_model.h"

#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace tern {
namespace {

// One field of a protobuf message.
struct Field {
  uint32_t number = 0;
  uint64_t value = 0;       // of a number
  absl::string_view bytes;  // of a string or a message
};

// The fields of a message, one after the other.
class FieldReader {
 public:
  FieldReader(absl::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  bool done() const { return at_ == bytes_.size(); }

  absl::StatusOr<Field> Next() {
    TERN_ASSIGN_OR_RETURN(const uint64_t key, Varint());
    Field field;
    field.number = static_cast<uint32_t>(key >> 3);
    switch (key & 7) {
      case 0: {
        TERN_ASSIGN_OR_RETURN(field.value, Varint());
        return field;
      }
      case 1:
        return Fixed(field, 8);
      case 5:
        return Fixed(field, 4);
      case 2: {
        TERN_ASSIGN_OR_RETURN(const uint64_t length, Varint());
        if (length > bytes_.size() - at_) {
          return Damaged(absl::StrCat("found a length of ", length, ", but only ",
                                      bytes_.size() - at_, " bytes follow"));
        }
        field.bytes = bytes_.substr(at_, length);
        at_ += length;
        return field;
      }
      default:
        return Damaged(absl::StrCat("found wire type ", key & 7));
    }
  }

 private:
  absl::Status Damaged(absl::string_view text) const {
    return absl::DataLossError(absl::StrCat(name_, ": byte ", at_, ": ", text));
  }

  absl::StatusOr<uint64_t> Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == bytes_.size()) return Damaged("it ends within a number");
      const auto byte = static_cast<uint8_t>(bytes_[at_++]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return Damaged("a number of more than 64 bits");
  }

  absl::StatusOr<Field> Fixed(Field field, size_t bytes) {
    if (bytes > bytes_.size() - at_) return Damaged("it ends within a number");
    std::memcpy(&field.value, bytes_.data() + at_, bytes);
    at_ += bytes;
    return field;
  }

  const absl::string_view bytes_;
  const std::string& name_;
  size_t at_ = 0;
};

// SentencePiece.Type
constexpr uint64_t kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6;

absl::Status ReadPiece(absl::string_view bytes, Vocabulary& vocabulary) {
  FieldReader reader(bytes, vocabulary.source);
  std::string piece;
  float score = 0;
  TokenKind kind = TokenKind::kNormal;
  while (!reader.done()) {
    TERN_ASSIGN_OR_RETURN(const Field field, reader.Next());
    if (field.number == 1) piece = std::string(field.bytes);
    if (field.number == 2) std::memcpy(&score, &field.value, sizeof(score));
    if (field.number != 3) continue;
    switch (field.value) {
      case kUnknown:
        kind = TokenKind::kUnknown;
        break;
      case kControl:
        kind = TokenKind::kControl;
        break;
      case kUserDefined:
        kind = TokenKind::kUserDefined;
        break;
      case kUnused:
        kind = TokenKind::kUnused;
        break;
      case kByte:
        kind = TokenKind::kByte;
        break;
      default:
        break;
    }
  }
  if (kind == TokenKind::kUnknown) {
    vocabulary.unknown = static_cast<TokenId>(vocabulary.tokens.size());
  }
  vocabulary.tokens.push_back(std::move(piece));
  vocabulary.scores.push_back(score);
  vocabulary.kinds.push_back(kind);
  return absl::OkStatus();
}

// TrainerSpec: the kind of model, and the ids of special tokens, -1 for none.
absl::Status ReadTrainer(absl::string_view bytes, Vocabulary& vocabulary) {
  constexpr uint64_t kBpe = 2;
  uint64_t model = 1;
  std::optional<int32_t> bos = 1, eos = 2, padding;
  FieldReader reader(bytes, vocabulary.source);
  while (!reader.done()) {
    TERN_ASSIGN_OR_RETURN(const Field field, reader.Next());
    const auto id = static_cast<int32_t>(field.value);
    if (field.number == 3) model = field.value;
    if (field.number == 41) bos = id;
    if (field.number == 42) eos = id;
    if (field.number == 43) padding = id;
  }
  if (model != kBpe) {
    return absl::FailedPreconditionError(absl::StrCat(vocabulary.source, ": model_type: found ",
                                                      model == 1 ? "unigram" : absl::StrCat(model),
                                                      ", this build reads BPE"));
  }
  const auto known = [&](std::optional<int32_t> id) {
    return id && *id >= 0 ? std::optional<TokenId>(*id) : std::nullopt;
  };
  vocabulary.bos = known(bos);
  vocabulary.eos = known(eos);
  vocabulary.padding = known(padding);
  return absl::OkStatus();
}

absl::Status ReadNormalizer(absl::string_view bytes, Vocabulary& vocabulary) {
  bool remove_extra_spaces = true;
  vocabulary.add_space_prefix = true;
  FieldReader reader(bytes, vocabulary.source);
  while (!reader.done()) {
    TERN_ASSIGN_OR_RETURN(const Field field, reader.Next());
    if (field.number == 2 && !field.bytes.empty()) {
      return absl::FailedPreconditionError(
          absl::StrCat(vocabulary.source, ": normalizer_spec: found rules that change text, this ",
                       "build reads the identity"));
    }
    if (field.number == 3) vocabulary.add_space_prefix = field.value != 0;
    if (field.number == 4) remove_extra_spaces = field.value != 0;
  }
  if (!remove_extra_spaces) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(vocabulary.source, ": normalizer_spec: found remove_extra_whitespaces, this ",
                   "build keeps text as it is"));
}

}  // namespace

absl::StatusOr<Vocabulary> ParseSentencePieceModel(absl::string_view bytes,
                                                   const std::string& name) {
  Vocabulary vocabulary;
  vocabulary.source = name;
  vocabulary.model = "llama";
  vocabulary.add_bos = true;
  FieldReader reader(bytes, name);
  while (!reader.done()) {
    TERN_ASSIGN_OR_RETURN(const Field field, reader.Next());
    if (field.number == 1) TERN_RETURN_IF_ERROR(ReadPiece(field.bytes, vocabulary));
    if (field.number == 2) TERN_RETURN_IF_ERROR(ReadTrainer(field.bytes, vocabulary));
    if (field.number == 3) TERN_RETURN_IF_ERROR(ReadNormalizer(field.bytes, vocabulary));
  }
  if (vocabulary.tokens.empty()) {
    return absl::DataLossError(absl::StrCat(name, ": found no pieces, want a SentencePiece model"));
  }
  return vocabulary;
}

}  // namespace tern
