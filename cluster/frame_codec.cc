// SPDX-License-Identifier: MIT
// The layout is docs/protocol.md, Frames; each struct below is one of its tables.
#include "cluster/frame_codec.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "cluster/messages.h"

namespace tern {
namespace {

static_assert(std::endian::native == std::endian::little, "frames are little-endian");
static_assert(std::numeric_limits<float>::is_iec559, "frames hold IEEE 754 floats");

constexpr uint32_t kMagic = 0x464E5254;  // "TRNF"
constexpr uint32_t kMaxTop = 20;         // as Validate(SamplingParams) has it

enum Kind : uint8_t { kStep = 1, kResult = 2 };
enum Dtype : uint8_t { kNone = 0, kF32 = 1, kBf16 = 2 };
enum SegmentFlags : uint8_t { kSample = 1, kWantLogits = 2 };

struct Header {
  uint32_t magic;
  uint16_t version;
  uint8_t kind;
  uint8_t dtype;
  uint64_t epoch;
  uint64_t step;
  uint32_t entries;
  uint32_t releases;
  uint32_t rows;
  uint32_t dim;
  uint32_t head_bytes;
  uint32_t crc;
};
static_assert(sizeof(Header) == 48 && offsetof(Header, crc) == 44);

struct SegmentBytes {
  uint64_t sequence;
  uint64_t seed;
  uint32_t position;
  uint32_t rows;
  uint32_t pages;
  float temperature;
  uint32_t top_k;
  float top_p;
  float min_p;
  float repetition_penalty;
  uint32_t logprobs;
  uint8_t flags;
  uint8_t zero[3];
};
static_assert(sizeof(SegmentBytes) == 56);

struct ResultBytes {
  uint64_t sequence;
  uint32_t position;
  TokenId token;
  float logprob;
  uint32_t top;
  uint32_t logits;
  uint32_t zero;
};
static_assert(sizeof(ResultBytes) == 32);

static_assert(sizeof(TokenLogprob) == 8 && std::is_trivially_copyable_v<TokenLogprob>);

Dtype DtypeOf(WireType wire) { return wire == WireType::kF32 ? kF32 : kBf16; }
size_t BytesOf(WireType wire) { return wire == WireType::kF32 ? sizeof(float) : sizeof(uint16_t); }

// Rounds half to even. A NaN becomes quiet, lest rounding make an infinity of it.
uint16_t ToBf16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

float FromBf16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

// --- Encoding ---

template <typename T>
void Append(const T& value, std::string& to) {
  static_assert(std::is_trivially_copyable_v<T>);
  to.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
void AppendAll(const std::vector<T>& values, std::string& to) {
  static_assert(std::is_trivially_copyable_v<T>);
  to.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

SegmentBytes ToBytes(const Segment& segment) {
  const SamplingParams& sampling = segment.sampling;
  SegmentBytes bytes{};
  bytes.sequence = segment.sequence;
  bytes.seed = sampling.seed;
  bytes.position = segment.position;
  bytes.rows = segment.rows;
  bytes.pages = static_cast<uint32_t>(segment.pages.size());
  bytes.temperature = sampling.temperature;
  bytes.top_k = sampling.top_k;
  bytes.top_p = sampling.top_p;
  bytes.min_p = sampling.min_p;
  bytes.repetition_penalty = sampling.repetition_penalty;
  bytes.logprobs = sampling.logprobs;
  bytes.flags = static_cast<uint8_t>((segment.sample ? kSample : 0) |
                                     (segment.want_logits ? kWantLogits : 0));
  return bytes;
}

ResultBytes ToBytes(const SequenceResult& result) {
  ResultBytes bytes{};
  bytes.sequence = result.sequence;
  bytes.position = result.position;
  bytes.token = result.sampled.chosen.token;
  bytes.logprob = result.sampled.chosen.logprob;
  bytes.top = static_cast<uint32_t>(result.sampled.top.size());
  bytes.logits = static_cast<uint32_t>(result.logits.size());
  return bytes;
}

// Fills in what the head itself tells, and the checksum.
EncodedFrame Seal(Header header, std::string head, std::span<const uint8_t> body) {
  TERN_CHECK(head.size() <= std::numeric_limits<uint32_t>::max());
  header.head_bytes = static_cast<uint32_t>(head.size());
  std::memcpy(head.data(), &header, sizeof(header));
  uint32_t crc = Crc32c(AsBytes(head).first(offsetof(Header, crc)));
  crc = Crc32c(AsBytes(head).subspan(sizeof(Header)), crc);
  crc = Crc32c(body, crc);
  std::memcpy(head.data() + offsetof(Header, crc), &crc, sizeof(crc));
  return {.head = std::move(head), .body = body, .rounded = {}};
}

Header NewHeader(Kind kind, uint64_t epoch, uint64_t step, size_t entries) {
  Header header{};
  header.magic = kMagic;
  header.version = kProtocolVersion;
  header.kind = kind;
  header.epoch = epoch;
  header.step = step;
  header.entries = static_cast<uint32_t>(entries);
  return header;
}

EncodedFrame Encode(const StepFrame& step, WireType wire) {
  Header header = NewHeader(kStep, step.epoch, step.step, step.segments.size());
  header.releases = static_cast<uint32_t>(step.release.size());
  header.rows = step.rows();
  if (!step.hidden.empty()) {
    header.dtype = DtypeOf(wire);
    header.dim = static_cast<uint32_t>(step.hidden.size() / step.rows());
  }
  std::string head(sizeof(Header), '\0');
  for (const Segment& segment : step.segments) Append(ToBytes(segment), head);
  AppendAll(step.release, head);
  for (const Segment& segment : step.segments) AppendAll(segment.pages, head);
  AppendAll(step.tokens, head);
  std::span<const uint8_t> body = {reinterpret_cast<const uint8_t*>(step.hidden.data()),
                                   step.hidden.size() * sizeof(float)};
  AlignedBuffer<uint16_t> rounded;
  if (wire == WireType::kBf16) {
    rounded = AlignedBuffer<uint16_t>(step.hidden.size());
    std::transform(step.hidden.begin(), step.hidden.end(), rounded.begin(), ToBf16);
    body = {reinterpret_cast<const uint8_t*>(rounded.data()), rounded.size() * sizeof(uint16_t)};
  }
  EncodedFrame encoded = Seal(header, std::move(head), body);
  encoded.rounded = std::move(rounded);  // its bytes stay where they are
  return encoded;
}

EncodedFrame Encode(const ResultFrame& result, WireType) {
  const Header header = NewHeader(kResult, result.epoch, result.step, result.results.size());
  std::string head(sizeof(Header), '\0');
  for (const SequenceResult& entry : result.results) {
    Append(ToBytes(entry), head);
    AppendAll(entry.sampled.top, head);
    AppendAll(entry.logits, head);
  }
  return Seal(header, std::move(head), {});
}

// --- Decoding ---

// Takes values off the front of bytes, which need no alignment.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  size_t left() const { return bytes_.size(); }

  // REQUIRES that as many bytes are left.
  template <typename T>
  T Take() {
    T value;
    TakeInto(&value, 1);
    return value;
  }
  template <typename T>
  std::vector<T> TakeMany(size_t count) {
    std::vector<T> values(count);
    TakeInto(values.data(), count);
    return values;
  }
  template <typename T>
  void TakeInto(T* values, size_t count) {
    static_assert(std::is_trivially_copyable_v<T>);
    TERN_CHECK(count * sizeof(T) <= bytes_.size());
    if (count > 0) std::memcpy(values, bytes_.data(), count * sizeof(T));
    bytes_ = bytes_.subspan(count * sizeof(T));
  }

 private:
  std::span<const uint8_t> bytes_;
};

template <typename... Parts>
absl::Status Damaged(const Parts&... parts) {
  return absl::DataLossError(absl::StrCat("frame: ", parts...));
}
template <typename... Parts>
absl::Status Excluded(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat("frame: ", parts...));
}

// Whether `bytes` arrived as a frame of this protocol version was sent, and is for this epoch.
absl::StatusOr<Header> CheckHeader(std::span<const uint8_t> bytes, const FrameLimits& limits) {
  if (bytes.size() < sizeof(Header)) {
    return Damaged("found ", bytes.size(), " bytes, want ", sizeof(Header), " or more");
  }
  const Header header = Reader(bytes).Take<Header>();
  if (header.magic != kMagic) {
    return Damaged("magic: found ", header.magic, ", want ", kMagic);
  }
  if (header.version != kProtocolVersion) {
    return absl::FailedPreconditionError(absl::StrCat("frame: protocol version: found ",
                                                      header.version, ", want ", kProtocolVersion));
  }
  const uint32_t crc =
      Crc32c(bytes.subspan(sizeof(Header)), Crc32c(bytes.first(offsetof(Header, crc))));
  if (header.crc != crc) return Damaged("checksum: found ", header.crc, ", want ", crc);
  if (header.epoch != limits.epoch) {
    return absl::FailedPreconditionError(
        absl::StrCat("frame: epoch: found ", header.epoch, ", want ", limits.epoch));
  }
  if (header.head_bytes < sizeof(Header) || header.head_bytes > bytes.size()) {
    return Damaged("head: found ", header.head_bytes, " bytes, want ", sizeof(Header), " to ",
                   bytes.size());
  }
  return header;
}

absl::Status CheckToken(TokenId token, const FrameLimits& limits) {
  if (token >= 0 && static_cast<uint32_t>(token) < limits.vocab) return absl::OkStatus();
  return Excluded("token: found ", token, ", want 0 to ", limits.vocab - 1);
}

// Of a step's head: everything but the page numbers, whose count its segments tell.
uint64_t BytesBesidesPages(const Header& header) {
  return sizeof(Header) + uint64_t{header.entries} * sizeof(SegmentBytes) +
         uint64_t{header.releases} * sizeof(SequenceId) + uint64_t{header.rows} * sizeof(TokenId);
}

// The sizes of a step's header, against the plan and against the frame itself.
absl::Status CheckStepSizes(const Header& header, size_t frame_bytes, const FrameLimits& limits) {
  if (header.rows > limits.max_rows) {
    return Excluded("rows: found ", header.rows, ", want at most ", limits.max_rows);
  }
  if (header.entries > header.rows) {
    return Excluded("found ", header.entries, " segments for ", header.rows, " rows");
  }
  const bool hidden = limits.expect_hidden && header.rows > 0;
  const Dtype dtype = hidden ? DtypeOf(limits.wire) : kNone;
  const uint32_t dim = hidden ? limits.dim : 0;
  if (header.dtype != dtype) return Excluded("dtype: found ", header.dtype, ", want ", dtype);
  if (header.dim != dim) return Excluded("dim: found ", header.dim, ", want ", dim);
  if (header.head_bytes < BytesBesidesPages(header)) {
    return Damaged("head: found ", header.head_bytes, " bytes, want ", BytesBesidesPages(header),
                   " or more");
  }
  const uint64_t all_bytes =
      uint64_t{header.head_bytes} + uint64_t{header.rows} * dim * BytesOf(limits.wire);
  if (frame_bytes != all_bytes) {
    return Damaged("found ", frame_bytes, " bytes, want ", all_bytes);
  }
  return absl::OkStatus();
}

absl::StatusOr<Segment> ToSegment(const SegmentBytes& bytes, const FrameLimits& limits) {
  Segment segment;
  segment.sequence = bytes.sequence;
  segment.position = bytes.position;
  segment.rows = bytes.rows;
  segment.sample = (bytes.flags & kSample) != 0;
  segment.want_logits = (bytes.flags & kWantLogits) != 0;
  segment.sampling.seed = bytes.seed;
  segment.sampling.temperature = bytes.temperature;
  segment.sampling.top_k = bytes.top_k;
  segment.sampling.top_p = bytes.top_p;
  segment.sampling.min_p = bytes.min_p;
  segment.sampling.repetition_penalty = bytes.repetition_penalty;
  segment.sampling.logprobs = bytes.logprobs;
  TERN_RETURN_IF_ERROR(Validate(segment.sampling));
  if (bytes.flags > (kSample | kWantLogits) || bytes.zero[0] || bytes.zero[1] || bytes.zero[2]) {
    return Excluded("segment of sequence ", bytes.sequence, ": unknown flags");
  }
  const uint64_t end = uint64_t{bytes.position} + bytes.rows;
  if (bytes.rows == 0 || end > limits.context || bytes.pages > KvPagesFor(limits.context)) {
    return Excluded("segment of sequence ", bytes.sequence, ": found ", bytes.rows,
                    " rows at position ", bytes.position, " with ", bytes.pages,
                    " pages more, context ", limits.context);
  }
  return segment;
}

absl::Status CheckPages(const Segment& segment, const FrameLimits& limits) {
  for (const uint32_t page : segment.pages) {
    if (page < limits.kv_pages) continue;
    return Excluded("segment of sequence ", segment.sequence, ": found page ", page, ", want 0 to ",
                    limits.kv_pages - 1);
  }
  return absl::OkStatus();
}

// The segments of a step, and how many pages follow for each.
absl::Status TakeSegments(const Header& header, const FrameLimits& limits, Reader& reader,
                          StepFrame& step, std::vector<uint32_t>& pages) {
  uint64_t rows = 0, all_pages = 0;
  for (uint32_t i = 0; i < header.entries; ++i) {
    const auto bytes = reader.Take<SegmentBytes>();
    TERN_ASSIGN_OR_RETURN(Segment segment, ToSegment(bytes, limits));
    rows += segment.rows;
    all_pages += bytes.pages;
    pages.push_back(bytes.pages);
    step.segments.push_back(std::move(segment));
  }
  if (rows != header.rows) {
    return Damaged("rows: found ", header.rows, ", want the segments' sum, ", rows);
  }
  const uint64_t head_bytes = BytesBesidesPages(header) + all_pages * sizeof(uint32_t);
  if (header.head_bytes == head_bytes) return absl::OkStatus();
  return Damaged("head: found ", header.head_bytes, " bytes, want ", head_bytes);
}

absl::StatusOr<Frame> DecodeStep(const Header& header, std::span<const uint8_t> bytes,
                                 const FrameLimits& limits) {
  TERN_RETURN_IF_ERROR(CheckStepSizes(header, bytes.size(), limits));
  Reader reader(bytes.subspan(sizeof(Header)));
  StepFrame step;
  step.epoch = header.epoch;
  step.step = header.step;
  std::vector<uint32_t> pages;  // [segments]
  TERN_RETURN_IF_ERROR(TakeSegments(header, limits, reader, step, pages));
  step.release = reader.TakeMany<SequenceId>(header.releases);
  for (size_t i = 0; i < pages.size(); ++i) {
    step.segments[i].pages = reader.TakeMany<uint32_t>(pages[i]);
    TERN_RETURN_IF_ERROR(CheckPages(step.segments[i], limits));
  }
  step.tokens = reader.TakeMany<TokenId>(header.rows);
  for (const TokenId token : step.tokens) TERN_RETURN_IF_ERROR(CheckToken(token, limits));
  step.hidden = AlignedBuffer<float>(size_t{header.rows} * header.dim);
  if (limits.wire == WireType::kF32) {
    reader.TakeInto(step.hidden.data(), step.hidden.size());
  } else {
    for (float& x : step.hidden) x = FromBf16(reader.Take<uint16_t>());
  }
  return step;
}

absl::Status CheckResult(const ResultBytes& bytes, size_t bytes_left, const FrameLimits& limits) {
  TERN_RETURN_IF_ERROR(CheckToken(bytes.token, limits));
  if (bytes.position > limits.context || bytes.top > kMaxTop || bytes.zero != 0 ||
      (bytes.logits != 0 && bytes.logits != limits.outputs)) {
    return Excluded("result of sequence ", bytes.sequence, ": found position ", bytes.position,
                    ", ", bytes.top, " likely tokens, ", bytes.logits, " logits");
  }
  const uint64_t want =
      uint64_t{bytes.top} * sizeof(TokenLogprob) + uint64_t{bytes.logits} * sizeof(float);
  if (want > bytes_left) {
    return Damaged("result of sequence ", bytes.sequence, ": found ", bytes_left, " bytes, want ",
                   want);
  }
  return absl::OkStatus();
}

absl::StatusOr<SequenceResult> DecodeResultEntry(Reader& reader, const FrameLimits& limits) {
  if (reader.left() < sizeof(ResultBytes)) {
    return Damaged("result: found ", reader.left(), " bytes, want ", sizeof(ResultBytes));
  }
  const ResultBytes bytes = reader.Take<ResultBytes>();
  TERN_RETURN_IF_ERROR(CheckResult(bytes, reader.left(), limits));
  SequenceResult result;
  result.sequence = bytes.sequence;
  result.position = bytes.position;
  result.sampled.chosen = {bytes.token, bytes.logprob};
  result.sampled.top = reader.TakeMany<TokenLogprob>(bytes.top);
  for (const TokenLogprob& likely : result.sampled.top) {
    TERN_RETURN_IF_ERROR(CheckToken(likely.token, limits));
  }
  result.logits = reader.TakeMany<float>(bytes.logits);
  return result;
}

absl::StatusOr<Frame> DecodeResult(const Header& header, std::span<const uint8_t> bytes,
                                   const FrameLimits& limits) {
  if (header.entries > limits.max_rows) {
    return Excluded("results: found ", header.entries, ", want at most ", limits.max_rows);
  }
  if (header.releases != 0 || header.rows != 0 || header.dim != 0 || header.dtype != kNone) {
    return Excluded("found a result with releases, rows or activations");
  }
  if (header.head_bytes != bytes.size()) {
    return Damaged("head: found ", header.head_bytes, " bytes, want ", bytes.size());
  }
  Reader reader(bytes.subspan(sizeof(Header)));
  ResultFrame frame;
  frame.epoch = header.epoch;
  frame.step = header.step;
  for (uint32_t i = 0; i < header.entries; ++i) {
    TERN_ASSIGN_OR_RETURN(SequenceResult result, DecodeResultEntry(reader, limits));
    frame.results.push_back(std::move(result));
  }
  if (reader.left() != 0) return Damaged("found ", reader.left(), " bytes after the last result");
  return frame;
}

}  // namespace

FrameLimits LimitsOf(uint64_t epoch, const ModelConfig& config, uint64_t kv_pages,
                     uint32_t max_rows) {
  return {.epoch = epoch,
          .dim = config.dim,
          .vocab = config.vocab,
          .outputs = config.outputs(),
          .context = config.context,
          .kv_pages = kv_pages,
          .max_rows = max_rows};
}

EncodedFrame EncodeFrame(const Frame& frame, WireType wire) {
  return std::visit([wire](const auto& kind) { return Encode(kind, wire); }, frame);
}

absl::StatusOr<Frame> DecodeFrame(std::span<const uint8_t> bytes, const FrameLimits& limits) {
  TERN_ASSIGN_OR_RETURN(const Header header, CheckHeader(bytes, limits));
  switch (header.kind) {
    case kStep:
      return DecodeStep(header, bytes, limits);
    case kResult:
      return DecodeResult(header, bytes, limits);
    default:
      return Excluded("kind: found ", header.kind, ", want ", kStep, " or ", kResult);
  }
}

}  // namespace tern
