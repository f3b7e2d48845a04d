// SPDX-License-Identifier: MIT
// The first promise (docs/architecture.md): the same bits, whatever the number of workers, the cut
// of the layers, threads, prefill chunks, batches, cached prefixes and kernels. One axis at a time
// against one reference, then some at once. The reference is of the portable kernels, the others of
// the best, which are quicker, where they do not say which.
#include <algorithm>
#include <bit>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/cpu.h"
#include "tests/support/kernel_names.h"
#include "tests/support/recorder.h"
#include "tests/support/tiny_model.h"
#include "tools/local_cluster.h"

namespace tern {
namespace {

// Runs of the same requests differ in nothing but these.
struct Variant {
  LocalClusterOptions cluster;
  bool together = true;      // all requests at once, or one after the other
  bool tokens_only = false;  // neither logits nor log-probabilities, so that a screen serves
};

// Greedy and seeded, short prompts and one of several pages and chunks.
std::vector<GenerationRequest> Requests(const Tokenizer& tokenizer) {
  std::string story = "Once upon a time";
  while (tokenizer.Encode(story).size() < 90) story += ", and then once more";
  std::vector<GenerationRequest> requests;
  for (const std::string& prompt : {std::string("It was"), story, std::string("x"), story}) {
    GenerationRequest& request = requests.emplace_back();
    request.prompt = tokenizer.Encode(prompt);
    request.max_tokens = 16 + 8 * static_cast<uint32_t>(requests.size() % 3);
    request.sampling.temperature = 0;
    request.want_logits = true;
  }
  requests[2].sampling = {.temperature = 1.0f,
                          .top_k = 50,
                          .top_p = 0.9f,
                          .min_p = 0.01f,
                          .repetition_penalty = 1.3f,
                          .seed = 42,
                          .logprobs = 3};
  requests[3].sampling = {.temperature = 0.7f,
                          .top_k = 0,
                          .top_p = 1,
                          .min_p = 0,
                          .repetition_penalty = 1.1f,
                          .seed = 7,
                          .logprobs = 0};
  return requests;
}

std::vector<Outcome> RunRequests(const std::string& path, const Variant& variant) {
  const absl::StatusOr<std::unique_ptr<LocalCluster>> cluster =
      LocalCluster::Open(path, variant.cluster);
  EXPECT_TRUE(cluster.ok()) << cluster.status();
  if (!cluster.ok()) return {};
  std::vector<Outcome> outcomes;
  std::vector<std::shared_ptr<Recorder>> recorders;
  for (GenerationRequest& request : Requests((*cluster)->tokenizer())) {
    recorders.push_back(std::make_shared<Recorder>());
    if (variant.tokens_only) {
      request.want_logits = false;
      request.sampling.logprobs = 0;
    }
    (*cluster)->engine().Submit(std::move(request), recorders.back());
    if (!variant.together) recorders.back()->Wait();
  }
  for (const std::shared_ptr<Recorder>& recorder : recorders) outcomes.push_back(recorder->Wait());
  return outcomes;
}

std::vector<uint32_t> Bits(const std::vector<float>& floats) {
  std::vector<uint32_t> bits(floats.size());
  std::transform(floats.begin(), floats.end(), bits.begin(),
                 [](float value) { return std::bit_cast<uint32_t>(value); });
  return bits;
}

class InvarianceTest : public ::testing::TestWithParam<std::string> {
 protected:
  static std::string Path() {
    if (GetParam() == "tiny") return TinyModelPath();
    return std::string(TERN_SOURCE_DIR) + "/model/data/tern-sample.gguf";
  }

  // One worker, one thread, the portable kernels, one request at a time.
  static const std::vector<Outcome>& Reference() {
    static std::map<std::string, std::vector<Outcome>> references;
    std::vector<Outcome>& reference = references[GetParam()];
    if (reference.empty())
      reference = RunRequests(Path(), {.cluster = OneOfAll("portable"), .together = false});
    return reference;
  }

  static LocalClusterOptions OneOfAll(const std::string& kernels = KernelNames().front()) {
    LocalClusterOptions options;
    options.isa = kernels;
    options.kv_tokens = 1024;  // all requests at once
    options.prefix_cache = false;
    return options;
  }

  static void ExpectSame(const Variant& variant) {
    const std::vector<Outcome>& reference = Reference();
    const std::vector<Outcome> outcomes = RunRequests(Path(), variant);
    ASSERT_EQ(outcomes.size(), reference.size());
    for (size_t i = 0; i < outcomes.size(); ++i) {
      SCOPED_TRACE(::testing::Message() << "request " << i);
      const Outcome& outcome = outcomes[i];
      ASSERT_TRUE(outcome.status.ok()) << outcome.status;
      EXPECT_EQ(outcome.tokens, reference[i].tokens);
      EXPECT_EQ(outcome.text, reference[i].text);
      EXPECT_EQ(outcome.reason, reference[i].reason);
      if (variant.tokens_only) continue;
      ASSERT_EQ(outcome.logits.size(), reference[i].logits.size());
      for (size_t token = 0; token < outcome.logits.size(); ++token) {
        ASSERT_EQ(Bits(outcome.logits[token]), Bits(reference[i].logits[token]))
            << "logits of token " << token;
      }
    }
  }
};

// Else the other tests would compare nothing with nothing.
TEST_P(InvarianceTest, TheReferenceIsWorthComparing) {
  const std::vector<Outcome>& reference = Reference();
  ASSERT_EQ(reference.size(), 4);
  for (const Outcome& outcome : reference) {
    EXPECT_TRUE(outcome.status.ok()) << outcome.status;
    EXPECT_EQ(outcome.reason, FinishReason::kLength);
    EXPECT_GE(outcome.tokens.size(), 16);
    EXPECT_EQ(outcome.logits.size(), outcome.tokens.size());
    EXPECT_GT(std::set<TokenId>(outcome.tokens.begin(), outcome.tokens.end()).size(), 2);
  }
  EXPECT_GT(reference[1].stats.prompt_tokens, kKvPageTokens);
  EXPECT_NE(reference[1].tokens, reference[3].tokens) << "same prompt, other sampling";
}

TEST_P(InvarianceTest, Workers) {
  for (const uint32_t stages : {1, 2, 3, 5}) {
    SCOPED_TRACE(::testing::Message() << stages << " workers");
    LocalClusterOptions options = OneOfAll();
    options.stages = stages;
    ExpectSame({.cluster = options, .together = false});
  }
}

// The reference, which gives logits, computes them all. The sample's head is large enough for a
// screen.
TEST_P(InvarianceTest, ScreenedAndFullHeads) {
  for (const std::string& isa :
       {std::string("portable"), std::string(), std::string("full_head")}) {
    SCOPED_TRACE(isa);
    LocalClusterOptions options = OneOfAll();
    options.isa = isa;
    options.threads = 2;
    ExpectSame({.cluster = options, .tokens_only = true});
  }
}

TEST_P(InvarianceTest, UnevenCuts) {
  const absl::StatusOr<std::unique_ptr<LocalCluster>> one = LocalCluster::Open(Path(), OneOfAll());
  ASSERT_TRUE(one.ok()) << one.status();
  const uint32_t layers = (*one)->config().layers;
  for (const uint32_t first : {1u, layers - 1}) {
    SCOPED_TRACE(::testing::Message() << first << " layers on the first worker");
    LocalClusterOptions options = OneOfAll();
    options.stages = 2;
    options.layers = {first, layers - first};
    ExpectSame({.cluster = options});
  }
}

TEST_P(InvarianceTest, Threads) {
  for (const size_t threads : {2, 4}) {
    SCOPED_TRACE(::testing::Message() << threads << " threads");
    LocalClusterOptions options = OneOfAll();
    options.threads = threads;
    ExpectSame({.cluster = options});
  }
}

TEST_P(InvarianceTest, PrefillChunks) {
  for (const uint32_t chunk : {1, 7, 64}) {
    SCOPED_TRACE(::testing::Message() << "chunks of " << chunk);
    LocalClusterOptions options = OneOfAll();
    options.prefill_chunk = chunk;
    ExpectSame({.cluster = options});
  }
}

TEST_P(InvarianceTest, Batches) {
  for (const uint32_t max_rows : {1, 3, 256}) {
    SCOPED_TRACE(::testing::Message() << "steps of at most " << max_rows << " rows");
    LocalClusterOptions options = OneOfAll();
    options.max_rows = max_rows;
    ExpectSame({.cluster = options});
  }
}

// Two requests have the same prompt of several pages. Together, the second may come too early to
// share them; one after the other it does.
TEST_P(InvarianceTest, PrefixCache) {
  for (const bool together : {true, false}) {
    SCOPED_TRACE(::testing::Message() << "together: " << together);
    LocalClusterOptions options = OneOfAll();
    options.stages = 2;
    options.prefix_cache = true;
    ExpectSame({.cluster = options, .together = together});
  }
}

TEST_P(InvarianceTest, Kernels) {
  for (const std::string& name : KernelNames()) {
    SCOPED_TRACE(name);
    LocalClusterOptions options = OneOfAll();
    options.isa = name;
    ExpectSame({.cluster = options});
  }
}

TEST_P(InvarianceTest, SeveralAtOnce) {
  for (const std::string& name : KernelNames()) {
    for (const uint32_t stages : {2, 5}) {
      SCOPED_TRACE(::testing::Message() << name << ", " << stages << " workers");
      LocalClusterOptions options = OneOfAll();
      options.isa = name;
      options.stages = stages;
      options.threads = 2;
      options.prefill_chunk = 5;
      options.max_rows = 9;
      options.kv_tokens = 0;  // some have to wait
      options.prefix_cache = true;
      ExpectSame({.cluster = options});
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, InvarianceTest, ::testing::Values("tiny", "sample"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace tern
