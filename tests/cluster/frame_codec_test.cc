// SPDX-License-Identifier: MIT
#include "cluster/frame_codec.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/crc32c.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/frame_limits.h"

namespace tern {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Bytes = std::vector<uint8_t>;

// Offsets of docs/protocol.md.
constexpr size_t kVersionAt = 4, kKindAt = 6, kDtypeAt = 7, kEpochAt = 8, kEntriesAt = 24,
                 kReleasesAt = 28, kRowsAt = 32, kDimAt = 36, kHeadBytesAt = 40, kCrcAt = 44,
                 kHeaderBytes = 48, kPagesOfSegmentAt = 24;

StepFrame SomeStep() {
  StepFrame step;
  step.epoch = 7;
  step.step = 11;
  step.segments.push_back({.sequence = 3,
                           .position = 20,
                           .rows = 1,
                           .pages = {7, 49},
                           .sample = true,
                           .want_logits = true,
                           .sampling = {.temperature = 0.5f,
                                        .top_k = 7,
                                        .top_p = 0.25f,
                                        .min_p = 0.125f,
                                        .repetition_penalty = 1.5f,
                                        .seed = 0x123456789ABCDEF0,
                                        .logprobs = 2}});
  step.segments.push_back(
      {.sequence = 1ull << 60, .position = 0, .rows = 3, .pages = {3}, .sampling = {}});
  step.release = {5, 6};
  step.tokens = {99, 0, 1, 2};
  step.hidden = AlignedBuffer<float>(4 * kLimits.dim);
  for (size_t i = 0; i < step.hidden.size(); ++i) step.hidden[i] = 0.1f * static_cast<float>(i);
  return step;
}

ResultFrame SomeResult() {
  ResultFrame frame;
  frame.epoch = 7;
  frame.step = 11;
  frame.results.resize(2);
  frame.results[0].sequence = 3;
  frame.results[0].position = 21;
  frame.results[0].sampled.chosen = {42, -0.5f};
  frame.results[0].sampled.top = {{42, -0.5f}, {7, -1.5f}};
  frame.results[0].logits.assign(kLimits.vocab, 0.25f);
  frame.results[1].sequence = 4;
  frame.results[1].position = 64;
  return frame;
}

Bytes Encoded(const Frame& frame) {
  const EncodedFrame encoded = EncodeFrame(frame);
  Bytes bytes(encoded.head.begin(), encoded.head.end());
  bytes.insert(bytes.end(), encoded.body.begin(), encoded.body.end());
  return bytes;
}

// Makes the checksum right again, as a peer that means it would.
void Seal(Bytes& bytes) {
  const std::span<const uint8_t> all = bytes;
  const uint32_t crc = Crc32c(all.subspan(kHeaderBytes), Crc32c(all.first(kCrcAt)));
  std::memcpy(bytes.data() + kCrcAt, &crc, sizeof(crc));
}

template <typename T>
Bytes With(Bytes bytes, size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof(value));
  Seal(bytes);
  return bytes;
}

absl::StatusCode CodeOf(const Bytes& bytes, const FrameLimits& limits = kLimits) {
  return DecodeFrame(bytes, limits).status().code();
}

TEST(FrameCodecTest, Bf16IsRoundedToNearestEven) {
  StepFrame step = SomeStep();
  const std::vector<std::pair<float, float>> cases = {
      {1.0f, 1.0f},
      {-0x1.01p0f, -0x1p0f},       // half way: to even, down
      {0x1.03p0f, 0x1.04p0f},      // half way: to even, up
      {0x1.010002p0f, 0x1.02p0f},  // just above
      {0x1.fffffep127f, std::numeric_limits<float>::infinity()},
      {0x1p-140f, 0x0p0f},
  };
  for (size_t i = 0; i < cases.size(); ++i) step.hidden[i] = cases[i].first;
  step.hidden[cases.size()] = std::bit_cast<float>(0x7F800001);  // a NaN of no high bits
  const size_t count = step.hidden.size();
  const Frame frame = std::move(step);
  const EncodedFrame encoded = EncodeFrame(frame, WireType::kBf16);
  EXPECT_EQ(encoded.body.size(), count * 2);
  Bytes bytes(encoded.head.begin(), encoded.head.end());
  bytes.insert(bytes.end(), encoded.body.begin(), encoded.body.end());
  EXPECT_EQ(bytes[kDtypeAt], 2);
  EXPECT_EQ(CodeOf(bytes), absl::StatusCode::kInvalidArgument) << "this link wants float32";
  FrameLimits limits = kLimits;
  limits.wire = WireType::kBf16;
  const absl::StatusOr<Frame> decoded = DecodeFrame(bytes, limits);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  const StepFrame& back = std::get<StepFrame>(*decoded);
  for (size_t i = 0; i < cases.size(); ++i) EXPECT_EQ(back.hidden[i], cases[i].second) << i;
  EXPECT_TRUE(std::isnan(back.hidden[cases.size()]));
  EXPECT_EQ(CodeOf(Encoded(frame), limits), absl::StatusCode::kInvalidArgument);
}

TEST(FrameCodecTest, AStepComesBackAsItWasSent) {
  const absl::StatusOr<Frame> frame = DecodeFrame(Encoded(SomeStep()), kLimits);
  ASSERT_TRUE(frame.ok()) << frame.status();
  const StepFrame& step = std::get<StepFrame>(*frame);
  const StepFrame sent = SomeStep();
  EXPECT_EQ(step.epoch, 7);
  EXPECT_EQ(step.step, 11);
  ASSERT_EQ(step.segments.size(), 2);
  for (size_t i = 0; i < 2; ++i) {
    const Segment& got = step.segments[i];
    const Segment& want = sent.segments[i];
    EXPECT_EQ(got.sequence, want.sequence);
    EXPECT_EQ(got.position, want.position);
    EXPECT_EQ(got.rows, want.rows);
    EXPECT_EQ(got.pages, want.pages);
    EXPECT_EQ(got.sample, want.sample);
    EXPECT_EQ(got.want_logits, want.want_logits);
    EXPECT_EQ(got.sampling, want.sampling);
  }
  EXPECT_THAT(step.release, ElementsAre(5, 6));
  EXPECT_THAT(step.tokens, ElementsAre(99, 0, 1, 2));
  EXPECT_THAT(step.hidden.span(), ElementsAreArray(sent.hidden.span()));
}

TEST(FrameCodecTest, AResultComesBackAsItWasSent) {
  const absl::StatusOr<Frame> frame = DecodeFrame(Encoded(SomeResult()), kLimits);
  ASSERT_TRUE(frame.ok()) << frame.status();
  const ResultFrame& result = std::get<ResultFrame>(*frame);
  EXPECT_EQ(result.epoch, 7);
  EXPECT_EQ(result.step, 11);
  ASSERT_EQ(result.results.size(), 2);
  EXPECT_EQ(result.results[0].sequence, 3);
  EXPECT_EQ(result.results[0].position, 21);
  EXPECT_EQ(result.results[0].sampled.chosen, (TokenLogprob{42, -0.5f}));
  EXPECT_THAT(result.results[0].sampled.top,
              ElementsAre(TokenLogprob{42, -0.5f}, TokenLogprob{7, -1.5f}));
  EXPECT_EQ(result.results[0].logits, std::vector<float>(kLimits.vocab, 0.25f));
  EXPECT_EQ(result.results[1].sequence, 4);
  EXPECT_EQ(result.results[1].position, 64);
  EXPECT_THAT(result.results[1].logits, IsEmpty());
}

TEST(FrameCodecTest, AStepMayReleaseOnly) {
  StepFrame step;
  step.epoch = 7;
  step.release = {9};
  const absl::StatusOr<Frame> frame = DecodeFrame(Encoded(std::move(step)), kLimits);
  ASSERT_TRUE(frame.ok()) << frame.status();
  EXPECT_EQ(std::get<StepFrame>(*frame).rows(), 0);
  EXPECT_THAT(std::get<StepFrame>(*frame).release, ElementsAre(9));
}

// The layout is a promise to other versions: a change here wants a new kProtocolVersion.
TEST(FrameCodecTest, TheBytesAreThoseOfTheProtocolPage) {
  StepFrame step;
  step.epoch = 0x0102;
  step.step = 0x0304;
  step.release = {0x05};
  EXPECT_THAT(Encoded(std::move(step)),
              ElementsAre('T', 'R', 'N', 'F', 6, 0, 1, 0,  // magic, version, kind, dtype
                          2, 1, 0, 0, 0, 0, 0, 0, 4, 3, 0, 0, 0, 0, 0, 0,  // epoch, step
                          0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,  // entries, releases, rows
                          0, 0, 0, 0, 56, 0, 0, 0,             // dim, head_bytes
                          0x52, 0xFC, 0x7C, 0x7F,              // crc
                          5, 0, 0, 0, 0, 0, 0, 0));            // release
}

TEST(FrameCodecTest, NoTruncationIsAccepted) {
  for (const Bytes& whole : {Encoded(SomeStep()), Encoded(SomeResult())}) {
    for (size_t size = 0; size < whole.size(); ++size) {
      Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
      EXPECT_EQ(CodeOf(cut), absl::StatusCode::kDataLoss) << size;
      if (size < kHeaderBytes) continue;
      Seal(cut);
      EXPECT_EQ(CodeOf(cut), absl::StatusCode::kDataLoss) << size << ", checksum corrected";
    }
  }
}

TEST(FrameCodecTest, NoExtensionIsAccepted) {
  for (Bytes bytes : {Encoded(SomeStep()), Encoded(SomeResult())}) {
    bytes.push_back(0);
    EXPECT_EQ(CodeOf(bytes), absl::StatusCode::kDataLoss);
    Seal(bytes);
    EXPECT_EQ(CodeOf(bytes), absl::StatusCode::kDataLoss);
  }
}

TEST(FrameCodecTest, NoSingleByteChangeIsAccepted) {
  for (const Bytes& whole : {Encoded(SomeStep()), Encoded(SomeResult())}) {
    for (size_t at = 0; at < whole.size(); ++at) {
      for (int flip = 1; flip < 256; ++flip) {
        Bytes changed = whole;
        changed[at] ^= static_cast<uint8_t>(flip);
        ASSERT_FALSE(DecodeFrame(changed, kLimits).ok()) << "byte " << at << " flip " << flip;
      }
    }
  }
}

// Changes that a peer means (the checksum is right): whatever is accepted is within the limits, and
// encodes to the bytes it came from, so nothing in them was overlooked.
TEST(FrameCodecTest, WhatIsAcceptedIsUnderstoodToTheByte) {
  constexpr unsigned kSeed = 20240227;
  std::mt19937 rng(kSeed);
  size_t accepted = 0;
  for (const Bytes& whole : {Encoded(SomeStep()), Encoded(SomeResult())}) {
    for (int round = 0; round < 50000; ++round) {
      Bytes changed = whole;
      for (unsigned i = 0; i <= rng() % 3; ++i) {
        changed[rng() % changed.size()] = static_cast<uint8_t>(rng() % 4 == 0 ? 0xFF : rng());
      }
      Seal(changed);
      const absl::StatusOr<Frame> frame = DecodeFrame(changed, kLimits);
      if (!frame.ok()) continue;
      ++accepted;
      ASSERT_EQ(Encoded(*frame), changed) << "seed " << kSeed << " round " << round;
    }
  }
  EXPECT_GT(accepted, 1000);
}

TEST(FrameCodecTest, RefusesAnotherVersionOrEpochByName) {
  const absl::Status version =
      DecodeFrame(With<uint16_t>(Encoded(SomeStep()), kVersionAt, 3), kLimits).status();
  EXPECT_EQ(version.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(version.message()), HasSubstr("version: found 3, want 6"));
  const absl::Status epoch =
      DecodeFrame(With<uint64_t>(Encoded(SomeStep()), kEpochAt, 8), kLimits).status();
  EXPECT_EQ(epoch.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(epoch.message()), HasSubstr("epoch: found 8, want 7"));
}

// Counts that would allocate gigabytes are refused before anything is allocated: a sanitizer build
// fails on the allocation itself.
TEST(FrameCodecTest, RefusesCountsBeyondThePlan) {
  const Bytes step = Encoded(SomeStep());
  const Bytes result = Encoded(SomeResult());
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  constexpr uint32_t kHuge = 0xFFFFFFFF;
  EXPECT_EQ(CodeOf(With(step, kRowsAt, kHuge)), kInvalid);
  EXPECT_EQ(CodeOf(With(step, kEntriesAt, kHuge)), kInvalid);
  EXPECT_EQ(CodeOf(With(step, kDimAt, kHuge)), kInvalid);
  EXPECT_EQ(CodeOf(With(step, kReleasesAt, kHuge)), absl::StatusCode::kDataLoss);
  EXPECT_EQ(CodeOf(With(step, kHeadBytesAt, kHuge)), absl::StatusCode::kDataLoss);
  EXPECT_EQ(CodeOf(With(step, kHeaderBytes + kPagesOfSegmentAt, kHuge)), kInvalid);
  EXPECT_EQ(CodeOf(With(step, kHeaderBytes + kPagesOfSegmentAt, uint32_t{1})),
            absl::StatusCode::kDataLoss)
      << "fewer pages than the frame has";
  EXPECT_EQ(CodeOf(With<uint8_t>(step, kKindAt, 3)), kInvalid);
  EXPECT_EQ(CodeOf(With<uint8_t>(step, kDtypeAt, 0)), kInvalid);
  EXPECT_EQ(CodeOf(With(result, kEntriesAt, kHuge)), kInvalid);
  EXPECT_EQ(CodeOf(With(result, kRowsAt, uint32_t{1})), kInvalid);
  EXPECT_EQ(CodeOf(With(result, kHeaderBytes + 20, kHuge)), kInvalid) << "likely tokens";
  EXPECT_EQ(CodeOf(With(result, kHeaderBytes + 24, kHuge)), kInvalid) << "logits";
}

TEST(FrameCodecTest, RefusesValuesOutOfRange) {
  const auto refused = [](const auto& change) {
    StepFrame step = SomeStep();
    change(step);
    return CodeOf(Encoded(std::move(step))) == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](StepFrame& step) { step.tokens[0] = 100; })) << "token";
  EXPECT_TRUE(refused([](StepFrame& step) { step.tokens[0] = -1; })) << "token";
  EXPECT_TRUE(refused([](StepFrame& step) { step.segments[0].position = 64; })) << "context";
  EXPECT_TRUE(refused([](StepFrame& step) { step.segments[0].position = ~0u; })) << "overflow";
  EXPECT_TRUE(refused([](StepFrame& step) { step.segments[0].pages = {0, 1, 2}; })) << "too many";
  EXPECT_TRUE(refused([](StepFrame& step) { step.segments[0].pages = {50}; })) << "page";
  EXPECT_TRUE(refused([](StepFrame& step) { step.segments[0].rows = 0; })) << "no rows";
  EXPECT_TRUE(refused([](StepFrame& step) { step.segments[0].sampling.top_p = 0; })) << "top_p";
  EXPECT_TRUE(refused([](StepFrame& step) {
    step.segments[0].sampling.temperature = std::numeric_limits<float>::quiet_NaN();
  })) << "NaN";
}

TEST(FrameCodecTest, TheFirstStageWantsNoActivations) {
  FrameLimits first = kLimits;
  first.expect_hidden = false;
  EXPECT_EQ(CodeOf(Encoded(SomeStep()), first), absl::StatusCode::kInvalidArgument);
  StepFrame step = SomeStep();
  step.hidden = AlignedBuffer<float>();
  const Bytes bytes = Encoded(std::move(step));
  EXPECT_EQ(CodeOf(bytes, first), absl::StatusCode::kOk);
  EXPECT_EQ(CodeOf(bytes, kLimits), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace tern
