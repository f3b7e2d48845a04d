// SPDX-License-Identifier: MIT
// The largest logits of a dense head, exactly, without computing all of them.
//
// An int8 copy of the head (head_screen.h) bounds every logit from both sides. The k-th largest
// lower bound is a floor under the k largest logits, and only rows whose upper bound reaches it are
// computed in full, from the head's own numbers by its own sum. Derivation and measurements:
// docs/kernels.md.
#ifndef TERN_MODEL_HEAD_SEARCH_H_
#define TERN_MODEL_HEAD_SEARCH_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/registry.h"
#include "model/embedding.h"
#include "model/head_screen.h"
#include "model/sampler.h"

namespace tern {

// What is wanted for one row of hidden values: candidates for the `count` largest logits after
// those of the tokens in `history` are penalised as SampleToken does.
struct TopRequest {
  uint32_t count = 1;
  float penalty = 1;  // at least 1
  std::span<const TokenId> history = {};
};

// Buffers of a search, kept from one to the next: allocates only while they grow.
// Thread-compatible but for Run.
class HeadSearch {
 public:
  explicit HeadSearch(size_t threads);

  // Starts a search of one token for each request. `requests` must live until the search ends.
  // REQUIRES at least one request, each with a count of at least 1 and a penalty of at least 1.
  void Begin(const HeadScreen& screen, std::span<const TopRequest> requests);

  // Called once by each thread of `pool`; the search has ended when all have returned. `head` is
  // what the screen was made of.
  void Run(size_t thread, ThreadPool& pool, const EmbeddingTable& head, const HeadScreen& screen,
           const Kernels& kernels, const float* x /*[tokens, dim]*/);

  // For each request every token that may be among the `count` best, those that equal the last of
  // them included, in ascending order, with its logit: the full head's, to the bit, not penalised.
  // The same for any number of threads and any kernel. Valid until the next Begin.
  std::span<const std::vector<TokenLogit>> candidates() const {
    return {candidates_.data(), tokens_};
  }

 private:
  // One token's input as the screen takes it: x = scale * (127 high + low) + rest, with `high` and
  // `low` rows 2t and 2t + 1 of digits_.
  struct Input {
    float scale;
    float norm;       // of x, or above
    float rest_norm;  // of rest, or above
  };
  // Both bounds of a logit, after penalties.
  struct Bounds {
    float lower;
    float upper;
  };
  struct Reaching {
    uint32_t row;
    float upper;
  };
  // What one thread found for one token in its share of the rows.
  struct alignas(kCacheLineBytes) Found {
    std::vector<float> lowers;       // the largest lower bounds, at most `count`: a min-heap
    std::vector<Reaching> reaching;  // whose upper bound reached the floor of the moment
    float floor;                     // the least of `count` lower bounds; -infinity until then
  };
  struct Scratch {
    AlignedBuffer<int32_t> sums;   // [kSumsTile]
    AlignedBuffer<float> decoded;  // [cols]
  };

  void Prepare(size_t token, const float* x, size_t cols);
  void Screen(size_t thread, IndexRange rows, const HeadScreen& screen, const Kernels& kernels);
  void Judge(size_t token, size_t row, size_t count, const int32_t* high, const int32_t* low,
             const HeadScreen& screen, Found& found) const;
  void Settle(size_t token);
  void Compute(size_t thread, size_t threads, const EmbeddingTable& head, const VectorOps& ops,
               const float* x);

  bool IsSeen(size_t token, size_t row) const {
    return (seen_[token * seen_words_ + row / 64] >> row % 64 & 1) != 0;
  }

  std::span<const TopRequest> requests_;
  size_t tokens_ = 0;
  size_t stride_ = 0;  // of digits_
  size_t seen_words_ = 0;
  std::vector<Scratch> scratch_;                     // [threads]
  std::vector<std::vector<Found>> found_;            // [threads, tokens]
  std::vector<Input> inputs_;                        // [tokens]
  AlignedBuffer<int8_t> digits_;                     // [2 tokens, stride]
  std::vector<int32_t> digit_sums_;                  // [2 tokens], times kQ8R16Zero
  std::vector<uint64_t> seen_;                       // [tokens, seen_words_], a bit a row
  std::vector<std::vector<float>> lowers_;           // [tokens], of all threads
  std::vector<std::vector<TokenLogit>> candidates_;  // [tokens or more]
};

}  // namespace tern

#endif  // TERN_MODEL_HEAD_SEARCH_H_
