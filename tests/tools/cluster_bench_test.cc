// SPDX-License-Identifier: MIT
#include "tools/cluster_bench.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/cluster_report.h"

namespace tern {
namespace {

using testing::HasSubstr;

// Serves in steps, of which each has a token of every sequence that generates and one row of a
// prompt, in turns: the least that a scheduler gives to prompts. Steps begin when all of the
// requests are there that the benchmark makes at once.
class SlowPrompts final : public Deployment {
 public:
  // `at_once` are the requests of each part, in order. The part numbered `failing` fails.
  explicit SlowPrompts(std::vector<size_t> at_once, std::optional<size_t> failing = std::nullopt)
      : at_once_(std::move(at_once)), failing_(failing) {}

  absl::Status Generate(const std::vector<TokenId>& prompt, uint32_t tokens,
                        const std::function<bool()>& on_token) override {
    MutexLock lock(mu_);
    if (part_ == failing_) return absl::UnavailableError("the fuse is blown");
    const size_t part = part_;
    const size_t place = requests_.size();
    requests_.push_back({prompt.size(), tokens, &on_token});
    if (requests_.size() == at_once_.at(part)) {
      RunAll();
      ++part_;
      requests_.clear();
      done_.NotifyAll();
    }
    while (part_ == part) done_.Wait(mu_);
    if (ran_out_ != place) return absl::OkStatus();
    return absl::InternalError("had all its tokens before others began");
  }

 private:
  struct Request {
    size_t rows = 0;      // of its prompt that are left
    uint32_t tokens = 0;  // that are left
    const std::function<bool()>* on_token = nullptr;
  };

  void RunAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    ran_out_.reset();
    size_t turn = 0;
    for (size_t running = requests_.size(); running > 0;) {
      const size_t waiting = WaitingFrom(turn);
      for (size_t i = 0; i < requests_.size(); ++i) {
        Request& request = requests_[i];
        if (request.rows > 0 || request.tokens == 0) continue;
        const bool wants_more = (*request.on_token)();
        if (--request.tokens == 0 && wants_more && waiting < requests_.size()) ran_out_ = i;
        if (!wants_more) request.tokens = 0;
        running -= request.tokens == 0;
      }
      if (waiting == requests_.size()) continue;
      --requests_[waiting].rows;
      turn = waiting + 1;
    }
  }
  // The next of those whose prompt is not done; their number if there is none.
  size_t WaitingFrom(size_t turn) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (size_t i = 0; i < requests_.size(); ++i) {
      const size_t place = (turn + i) % requests_.size();
      if (requests_[place].rows > 0) return place;
    }
    return requests_.size();
  }

  const std::vector<size_t> at_once_;
  const std::optional<size_t> failing_;
  Mutex mu_;
  CondVar done_;
  size_t part_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<Request> requests_ ABSL_GUARDED_BY(mu_);  // of the part
  std::optional<size_t> ran_out_ ABSL_GUARDED_BY(mu_);  // its place
};

// Parts of a round.
constexpr size_t kRoundParts = 3;
constexpr uint32_t kStreams = 4;
constexpr uint32_t kManyStreams = 256;  // whose prompts take as many steps at least

// Of so many rounds, and many streams at the end.
std::vector<size_t> AtOnce(uint32_t rounds) {
  std::vector<size_t> at_once;
  for (uint32_t round = 0; round < rounds; ++round) {
    for (const size_t requests : {size_t{kStreams}, size_t{1}, size_t{1}}) {
      at_once.push_back(requests);
    }
  }
  at_once.push_back(kManyStreams);
  return at_once;
}

ClusterBenchOptions Options(uint32_t rounds) {
  return {.repeat = rounds,
          .streams = kStreams,
          .tokens = 8,
          .prompt = 20,
          .long_prompt = 0,
          .many_streams = kManyStreams};
}

ModelConfig SmallModel() {
  ModelConfig config;
  config.vocab = 64;
  config.dim = 32;
  return config;
}

std::vector<NamedDeployment> Two(std::unique_ptr<Deployment> first,
                                 std::unique_ptr<Deployment> second) {
  std::vector<NamedDeployment> deployments;
  deployments.push_back({.name = "alpha", .deployment = std::move(first)});
  deployments.push_back({.name = "beta", .deployment = std::move(second)});
  return deployments;
}

// The second deployment's part numbered `second_fails` fails, or the first one's.
ClusterReport Bench(uint32_t rounds, std::optional<size_t> first_fails,
                    std::optional<size_t> second_fails) {
  return BenchCluster(Two(std::make_unique<SlowPrompts>(AtOnce(rounds), first_fails),
                          std::make_unique<SlowPrompts>(AtOnce(rounds), second_fails)),
                      SmallModel(), Options(rounds), [](double) {});
}

TEST(ClusterBenchTest, HasAllPartsOfAllRounds) {
  const ClusterReport report = Bench(2, std::nullopt, std::nullopt);
  ASSERT_TRUE(report.end.ok()) << report.end;
  ASSERT_EQ(report.results.size(), 2u);
  for (const ClusterResult& result : report.results) {
    EXPECT_EQ(result.rounds, 2u);
    EXPECT_GT(result.decode_tokens_per_s.min, 0);
    EXPECT_GT(result.prefill_tokens_per_s.min, 0);
    EXPECT_GT(result.token_ms.min, 0);
  }
  ASSERT_TRUE(report.many.has_value());
  EXPECT_GT(report.many->tokens_per_s, 0);
  const std::string text = FormatCluster(report, Options(2));
  EXPECT_THAT(text, HasSubstr("256 streams, first deployment"));
  EXPECT_THAT(text, Not(HasSubstr("FAILED")));
  EXPECT_FALSE(nlohmann::json::parse(ClusterJson({}, report, Options(2))).contains("failed"));
}

TEST(ClusterBenchTest, APartThatFailsLeavesWhatWasMeasuredBefore) {
  // The prompt of the second deployment's second round.
  const ClusterReport report = Bench(2, std::nullopt, kRoundParts + 1);
  EXPECT_EQ(report.end.ToString(),
            "UNAVAILABLE: round 2 of beta: the prompt that is timed: the fuse is blown");
  ASSERT_EQ(report.results.size(), 2u);
  EXPECT_EQ(report.results[0].rounds, 2u);
  EXPECT_EQ(report.results[1].rounds, 1u);
  EXPECT_GT(report.results[1].decode_tokens_per_s.median, 0);
  EXPECT_FALSE(report.many.has_value());
  const std::string text = FormatCluster(report, Options(2));
  EXPECT_THAT(text, HasSubstr("alpha  "));
  EXPECT_THAT(text, HasSubstr("beta (1 of 2 rounds)"));
  EXPECT_THAT(text, HasSubstr(report.end.ToString()));
  const auto json = nlohmann::json::parse(ClusterJson({}, report, Options(2)));
  EXPECT_EQ(json["failed"], report.end.ToString());
  EXPECT_EQ(json["results"][1]["rounds"], 1);
  EXPECT_FALSE(json.contains("many_tokens_per_s"));
}

TEST(ClusterBenchTest, DeploymentsWithoutARoundAreNotThere) {
  const ClusterReport first = Bench(1, 0, std::nullopt);
  EXPECT_THAT(std::string(first.end.message()), HasSubstr("round 1 of alpha: 4 streams: "));
  EXPECT_TRUE(first.results.empty());
  EXPECT_THAT(FormatCluster(first, Options(1)), HasSubstr(first.end.ToString()));
  EXPECT_TRUE(nlohmann::json::parse(ClusterJson({}, first, Options(1)))["results"].empty());
  const ClusterReport second = Bench(1, std::nullopt, 2);
  EXPECT_THAT(std::string(second.end.message()), HasSubstr("beta: one stream alone: "));
  EXPECT_EQ(second.results.size(), 1u);
}

// What failed is published all the same, and ends the command.
TEST(ClusterBenchTest, PublishesWhatThereIs) {
  const ClusterReport report = Bench(1, kRoundParts, std::nullopt);
  EXPECT_EQ(report.end.ToString(),
            "UNAVAILABLE: 256 streams on the first deployment: the fuse is blown");
  const std::string folder = testing::TempDir() + "cluster_bench_test";
  std::filesystem::create_directories(folder);
  const std::string json = folder + "/report.json";
  std::FILE* out = std::tmpfile();
  ASSERT_NE(out, nullptr);
  EXPECT_EQ(PublishCluster({}, report, Options(1), out, json), report.end);
  EXPECT_GT(std::ftell(out), 0);
  std::ifstream file(json);
  EXPECT_EQ(nlohmann::json::parse(file)["results"].size(), 2u);
  EXPECT_FALSE(PublishCluster({}, report, Options(1), out, folder + "/no/such/file").ok());
  std::fclose(out);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace tern
