// SPDX-License-Identifier: MIT
// What travels from stage to stage: steps going down the pipeline, results coming out of its end.
// The bytes on the wire are in docs/protocol.md and cluster/frame_codec.h.
#ifndef TERN_CLUSTER_FRAME_H_
#define TERN_CLUSTER_FRAME_H_

#include <cstdint>
#include <variant>
#include <vector>

#include "base/aligned_buffer.h"
#include "model/kv_cache.h"
#include "model/sampler.h"
#include "text/tokenizer.h"

namespace tern {

// How activations travel between stages. bf16, the upper half of a float, rounded to nearest even,
// takes half the bytes and changes the tokens.
enum class WireType : uint8_t { kF32, kBf16 };

// Consecutive rows of one sequence within a step.
struct Segment {
  SequenceId sequence = 0;
  // Of the first row. Equals the sequence's cached length on every stage; a sequence that is new to
  // them begins behind the whole pages it shares with one before, whose rows went first.
  uint32_t position = 0;
  uint32_t rows = 0;
  std::vector<uint32_t> pages;  // added to the sequence's table, so that its rows have room
  bool sample = false;          // the last stage samples a token after the last row
  bool want_logits = false;     // and returns the logits with it
  SamplingParams sampling;      // meaningful where `sample`

  // The position after the last row: that of a token sampled there.
  uint32_t end() const { return position + rows; }
};

// One micro-batch. Sequences of steps that are in flight together are disjoint, except that
// prefill chunks of one sequence may follow each other.
struct StepFrame {
  uint64_t epoch = 0;  // of the plan; a stage refuses any other
  uint64_t step = 0;   // counts up by 1 within an epoch
  std::vector<Segment> segments;
  std::vector<SequenceId> release;  // sequences that are forgotten, before the segments run
  std::vector<TokenId> tokens;      // [rows]
  AlignedBuffer<float> hidden;      // [rows, dim] residual stream; empty on the way into stage 0

  uint32_t rows() const { return static_cast<uint32_t>(tokens.size()); }
};

// The token sampled for one sequence.
struct SequenceResult {
  SequenceId sequence = 0;
  uint32_t position = 0;  // of the sampled token in the sequence
  SampledToken sampled;
  std::vector<float>
      logits;  // [outputs] where wanted, else empty: an embedding model's are its output
};

// What the last stage sends for every step, also for one that samples nothing.
struct ResultFrame {
  uint64_t epoch = 0;
  uint64_t step = 0;
  std::vector<SequenceResult> results;
};

using Frame = std::variant<StepFrame, ResultFrame>;

}  // namespace tern

#endif  // TERN_CLUSTER_FRAME_H_
