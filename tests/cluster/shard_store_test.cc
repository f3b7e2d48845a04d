// SPDX-License-Identifier: MIT
// Where a stage's weights come from, and that nothing but the right bytes is ever used.
#include "cluster/shard_store.h"

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "cluster/fan_out.h"
#include "cluster/manifest.h"
#include "formats/gguf.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/gguf_config.h"
#include "tests/support/tiny_model.h"

namespace tern {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StrEq;

constexpr LayerRange kLayers{1, 3};

class ShardStoreTest : public ::testing::Test {
 protected:
  ShardStoreTest() {
    std::string pattern = ::testing::TempDir() + "tern-shards-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    cache_ = directory_ + "/cache";
    file_ = *GgufFile::Open(TinyModelPath());
    manifest_ = *BuildManifest(*ReadModelConfig(*file_, *file_), *file_);
    tensors_ = StageTensors(manifest_, kLayers);
  }
  ~ShardStoreTest() override { std::filesystem::remove_all(directory_); }

  // What the coordinator does, in pieces of an odd size.
  TensorFetch Fetch() {
    return [this](const std::string& source, const std::string& sha256, uint64_t offset,
                  const ByteSink& sink) {
      EXPECT_EQ(source, "");
      fetched_.push_back(sha256);
      offsets_.push_back(offset);
      for (const TensorRef& tensor : manifest_.tensors) {
        if (tensor.sha256 != sha256) continue;
        std::span<const uint8_t> rest = file_->Find(tensor.info.name)->data.subspan(offset);
        while (!rest.empty()) {
          const size_t count = std::min<size_t>(1001, rest.size());
          const absl::Status taken = sink(rest.first(count));
          if (!taken.ok()) return taken;
          rest = rest.subspan(count);
          if (++pieces_ == break_after_pieces_) return absl::UnavailableError("connection reset");
        }
        return absl::OkStatus();
      }
      return absl::NotFoundError("no such tensor");
    };
  }

  absl::StatusOr<std::unique_ptr<ShardStore>> Gather(const std::vector<std::string>& paths = {},
                                                     ThreadPool* pool = nullptr) {
    shares_.clear();
    sources_.clear();
    fetched_.clear();
    offsets_.clear();
    pieces_ = 0;
    return ShardStore::Gather(
        tensors_, {.model_paths = paths, .cache_directory = cache_, .pool = pool}, Fetch(),
        [this] { return cancelled_; },
        [this](float share, const char* source) {
          shares_.push_back(share);
          sources_.push_back(source);
        });
  }

  void ExpectRight(const ShardStore& store) {
    for (const TensorRef& tensor : tensors_) {
      const absl::StatusOr<TensorView> view = store.Find(tensor.info.name);
      ASSERT_TRUE(view.ok()) << view.status();
      const std::span<const uint8_t> want = file_->Find(tensor.info.name)->data;
      EXPECT_TRUE(std::equal(view->data.begin(), view->data.end(), want.begin(), want.end()));
      EXPECT_TRUE(SameTensor(view->info, tensor.info));
      EXPECT_EQ(store.ContentId(tensor.info.name), tensor.sha256);
    }
    EXPECT_EQ(store.Find("blk.0.attn_q.weight").status().code(), absl::StatusCode::kNotFound);
  }

  std::string CachePath(size_t tensor) const {
    return absl::StrCat(cache_, "/tensors/", tensors_[tensor].sha256);
  }

  static size_t NotesIn(const std::string& cache) {
    const std::filesystem::directory_iterator notes(cache + "/digests");
    return static_cast<size_t>(std::distance(begin(notes), end(notes)));
  }

  // Where the bytes of a tensor lie in a model file.
  size_t OffsetOf(const std::string& path, const TensorRef& tensor) {
    const std::span<const uint8_t> want = file_->Find(tensor.info.name)->data;
    std::ifstream file(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const size_t at = bytes.find(std::string(want.begin(), want.end()));
    EXPECT_NE(at, std::string::npos);
    return at;
  }

  uint64_t StageBytes() const {
    uint64_t bytes = 0;
    for (const TensorRef& tensor : tensors_) bytes += tensor.info.bytes;
    return bytes;
  }

  // Changes one byte of a file.
  static void Damage(const std::string& path, std::streamoff at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(at);
    file.put(byte);
    ASSERT_TRUE(file.good()) << path;
  }

  std::string directory_;
  std::string cache_;
  std::unique_ptr<GgufFile> file_;
  ModelManifest manifest_;
  std::vector<TensorRef> tensors_;
  std::vector<std::string> fetched_;
  std::vector<uint64_t> offsets_;
  std::vector<float> shares_;
  std::vector<std::string> sources_;
  int pieces_ = 0;
  int break_after_pieces_ = -1;
  bool cancelled_ = false;
};

TEST_F(ShardStoreTest, ALocalFileIsUsedInPlace) {
  const auto store = Gather({TinyModelPath()});
  ASSERT_TRUE(store.ok()) << store.status();
  ExpectRight(**store);
  EXPECT_THAT(sources_, Each(StrEq(kFromLocalFile)));
  EXPECT_THAT(fetched_, IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(cache_ + "/tensors"));
  EXPECT_EQ((*store)->fetched().total(), 0);
  EXPECT_TRUE(std::is_sorted(shares_.begin(), shares_.end()));
  EXPECT_EQ(shares_.back(), 1.0f);
}

TEST_F(ShardStoreTest, WhatIsFetchedIsCached) {
  const auto fetched = Gather();
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  ExpectRight(**fetched);
  EXPECT_THAT(sources_, Each(StrEq(kFromCoordinator)));
  EXPECT_EQ((*fetched)->fetched().from_coordinator, StageBytes());
  EXPECT_EQ((*fetched)->fetched().from_peers, 0);

  const auto cached = Gather();
  ASSERT_TRUE(cached.ok()) << cached.status();
  ExpectRight(**cached);
  EXPECT_THAT(sources_, Each(StrEq(kFromCache)));
  EXPECT_THAT(fetched_, IsEmpty());
  EXPECT_EQ((*cached)->fetched().total(), 0);
}

TEST_F(ShardStoreTest, OnlyTheTensorsThatDifferInALocalFileAreFetched) {
  const std::string copy = directory_ + "/copy.gguf";
  std::filesystem::copy_file(TinyModelPath(), copy);
  Damage(copy, static_cast<std::streamoff>(OffsetOf(copy, tensors_[4])) + 5);

  const auto store = Gather({copy});
  ASSERT_TRUE(store.ok()) << store.status();
  ExpectRight(**store);
  EXPECT_EQ(fetched_, std::vector<std::string>{tensors_[4].sha256});
}

TEST_F(ShardStoreTest, LocalFilesThatAreNoModelsArePassedOver) {
  const std::string text = directory_ + "/text.gguf";
  std::ofstream(text) << "not a model";
  const auto store = Gather({directory_ + "/nothing.gguf", text, directory_, TinyModelPath()});
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_THAT(sources_, Each(StrEq(kFromLocalFile)));
}

TEST_F(ShardStoreTest, DamagedCacheEntriesAreFetchedAgain) {
  ASSERT_TRUE(Gather().ok());
  Damage(CachePath(0), 0);
  std::filesystem::resize_file(CachePath(1), tensors_[1].info.bytes - 1);
  std::filesystem::resize_file(CachePath(2), 0);
  const auto store = Gather();
  ASSERT_TRUE(store.ok()) << store.status();
  ExpectRight(**store);
  EXPECT_EQ(fetched_,
            (std::vector<std::string>{tensors_[0].sha256, tensors_[1].sha256, tensors_[2].sha256}));
}

TEST_F(ShardStoreTest, ATransferThatBreaksIsResumed) {
  break_after_pieces_ = 5;
  const auto broken = Gather();
  EXPECT_EQ(broken.status().code(), absl::StatusCode::kUnavailable);
  break_after_pieces_ = -1;
  const auto store = Gather();
  ASSERT_TRUE(store.ok()) << store.status();
  ExpectRight(**store);
  EXPECT_THAT(offsets_, Contains(::testing::Gt(0u)));
  EXPECT_LT((*store)->fetched().total(), StageBytes());
  for (const auto& entry : std::filesystem::directory_iterator(cache_ + "/tensors")) {
    EXPECT_TRUE(IsSha256Hex(entry.path().filename())) << entry.path() << " was left behind";
  }
}

TEST_F(ShardStoreTest, AWrongBeginningIsThrownAway) {
  break_after_pieces_ = 5;
  ASSERT_FALSE(Gather().ok());
  std::string part;
  for (const auto& entry : std::filesystem::directory_iterator(cache_ + "/tensors")) {
    if (entry.path().extension() == ".part") part = entry.path();
  }
  ASSERT_NE(part, "");
  Damage(part, 0);
  break_after_pieces_ = -1;
  const auto store = Gather();
  ASSERT_TRUE(store.ok()) << store.status();
  ExpectRight(**store);
}

TEST_F(ShardStoreTest, ABeginningLongerThanTheWholeIsThrownAway) {
  std::filesystem::create_directories(cache_ + "/tensors");
  std::ofstream(CachePath(0) + ".part") << std::string(tensors_[0].info.bytes + 1, 'x');
  const auto store = Gather();
  ASSERT_TRUE(store.ok()) << store.status();
  ExpectRight(**store);
}

TEST_F(ShardStoreTest, WrongBytesFromTheCoordinatorAreAnError) {
  TensorRef& tensor = tensors_[1];
  const auto fetch_with = [&](size_t bytes) {
    return ShardStore::Gather(
        {tensor}, {.model_paths = {}, .cache_directory = cache_},
        [&](const std::string&, const std::string&, uint64_t, const ByteSink& sink) {
          return sink(std::vector<uint8_t>(bytes, 0xAB));
        },
        [] { return false; });
  };
  const auto wrong = fetch_with(tensor.info.bytes);
  EXPECT_EQ(wrong.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(wrong.status().ToString(), HasSubstr(tensor.info.name));
  EXPECT_EQ(fetch_with(tensor.info.bytes + 1).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(fetch_with(tensor.info.bytes - 1).status().code(), absl::StatusCode::kUnavailable);
  // None of it remains in the way of the right bytes.
  const auto store = Gather();
  ASSERT_TRUE(store.ok()) << store.status();
  ExpectRight(**store);
}

TEST_F(ShardStoreTest, TwoWorkersMayShareACache) {
  // The second fetches while the first is in the middle of the same tensor.
  bool nested = false;
  const TensorFetch plain = Fetch();
  const auto outer = ShardStore::Gather(
      tensors_, {.model_paths = {}, .cache_directory = cache_},
      [&](const std::string& source, const std::string& sha256, uint64_t offset,
          const ByteSink& sink) {
        return plain(source, sha256, offset, [&](std::span<const uint8_t> piece) {
          if (!std::exchange(nested, true)) {
            const auto inner =
                ShardStore::Gather(tensors_, {.model_paths = {}, .cache_directory = cache_}, plain,
                                   [] { return false; });
            EXPECT_TRUE(inner.ok()) << inner.status();
            if (inner.ok()) ExpectRight(**inner);
          }
          return sink(piece);
        });
      },
      [] { return false; });
  ASSERT_TRUE(outer.ok()) << outer.status();
  EXPECT_TRUE(nested);
  ExpectRight(**outer);
}

TEST_F(ShardStoreTest, StopsWhenItIsNoLongerWanted) {
  cancelled_ = true;
  EXPECT_EQ(Gather().status().code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(fetched_, IsEmpty());
}

TEST_F(ShardStoreTest, ACacheThatCannotBeMadeIsAnErrorThatNamesIt) {
  std::ofstream(cache_) << "a file, where the directory should be";
  const auto store = Gather();
  EXPECT_FALSE(store.ok());
  EXPECT_THAT(store.status().ToString(), HasSubstr(cache_));
}

TEST_F(ShardStoreTest, WhatWasHashedOnceIsNotReadAgainUntilItChanges) {
  const std::unique_ptr<ThreadPool> pool = *ThreadPool::Create({.threads = 2, .cpus = {}});
  const std::string copy = directory_ + "/copy.gguf";
  std::filesystem::copy_file(TinyModelPath(), copy);
  ASSERT_TRUE(Gather({copy}, pool.get()).ok());
  const size_t notes_before = NotesIn(cache_);
  EXPECT_GT(notes_before, 0);
  // Whoever hashes tells of each tensor; the second time only that it is there is told.
  ASSERT_TRUE(Gather({copy}, pool.get()).ok());
  EXPECT_THAT(sources_, ::testing::SizeIs(tensors_.size()));
  EXPECT_EQ(NotesIn(cache_), notes_before);
  const size_t at = OffsetOf(copy, tensors_[4]);
  Damage(copy, static_cast<std::streamoff>(at) + 5);
  const auto store = Gather({copy}, pool.get());
  ASSERT_TRUE(store.ok()) << store.status();
  ExpectRight(**store);
  EXPECT_EQ(fetched_, std::vector<std::string>{tensors_[4].sha256});
}

TEST_F(ShardStoreTest, TheLeastRecentlyUsedIsEvictedAndNothingThatIsInUse) {
  const auto gather = [&](size_t begin, size_t end, uint64_t limit) {
    const std::vector<TensorRef> part(tensors_.begin() + begin, tensors_.begin() + end);
    return ShardStore::Gather(
        part, {.model_paths = {}, .cache_directory = cache_, .cache_limit_bytes = limit}, Fetch(),
        [] { return false; });
  };
  const auto exists = [&](size_t i) { return std::filesystem::exists(CachePath(i)); };
  constexpr uint64_t kMuch = uint64_t{1} << 40;
  ASSERT_TRUE(gather(0, 4, kMuch).ok());
  const auto used = gather(0, 2, kMuch);
  ASSERT_TRUE(used.ok());
  ASSERT_TRUE(gather(4, 6, 1).ok());
  EXPECT_TRUE(exists(0) && exists(1)) << "in use";
  EXPECT_FALSE(exists(2) || exists(3));
  // Those just fetched were in use then.
  EXPECT_TRUE(exists(4) && exists(5));
  ASSERT_TRUE(gather(6, 7, kMuch).ok());
  ASSERT_TRUE(gather(7, 8, 1).ok());
  EXPECT_TRUE(exists(0) && exists(1));
  EXPECT_FALSE(exists(4) || exists(5) || exists(6));
}

// --- Peers ---

class PeersTest : public ShardStoreTest {
 protected:
  PeersTest() {
    for (TensorRef& tensor : tensors_) tensor.peers = {"a:1", "b:2"};
  }

  // Asks each source's own function, in the order in which they are asked.
  absl::StatusOr<std::unique_ptr<ShardStore>> GatherFrom(
      const std::map<std::string, TensorFetch>& sources) {
    asked_.clear();
    return ShardStore::Gather(
        tensors_, {.model_paths = {}, .cache_directory = cache_},
        [&](const std::string& source, const std::string& sha256, uint64_t offset,
            const ByteSink& sink) {
          asked_.push_back(source);
          const auto found = sources.find(source);
          if (found == sources.end()) return absl::UnavailableError("nobody there");
          return found->second("", sha256, offset, sink);
        },
        [] { return false; });
  }

  std::vector<std::string> asked_;
};

TEST_F(PeersTest, APeerThatHasItIsEnough) {
  const auto store = GatherFrom({{"a:1", Fetch()}});
  ASSERT_TRUE(store.ok()) << store.status();
  ExpectRight(**store);
  EXPECT_THAT(asked_, Each(StrEq("a:1")));
  EXPECT_EQ((*store)->fetched().from_peers, StageBytes());
  EXPECT_EQ((*store)->fetched().from_coordinator, 0);
}

TEST_F(PeersTest, APeerThatDiesInTheMiddleIsPassedOverAndTheNextGoesOn) {
  break_after_pieces_ = 3;  // once
  const auto store = GatherFrom({{"a:1", Fetch()}, {"b:2", Fetch()}});
  ASSERT_TRUE(store.ok()) << store.status();
  ExpectRight(**store);
  EXPECT_THAT(asked_, Contains(StrEq("b:2")));
  EXPECT_THAT(offsets_, Contains(::testing::Gt(0u))) << "resumed";
  EXPECT_EQ((*store)->fetched().from_peers, StageBytes()) << "no byte came twice";
}

TEST_F(PeersTest, APeerThatSendsWrongBytesIsPassedOver) {
  const TensorFetch wrong = [&](const std::string&, const std::string& sha256, uint64_t offset,
                                const ByteSink& sink) {
    for (const TensorRef& tensor : tensors_) {
      if (tensor.sha256 != sha256) continue;
      return sink(std::vector<uint8_t>(tensor.info.bytes - offset, 0xAB));
    }
    return absl::NotFoundError("no such tensor");
  };
  const auto store = GatherFrom({{"a:1", wrong}, {"", Fetch()}});
  ASSERT_TRUE(store.ok()) << store.status();
  ExpectRight(**store);
  EXPECT_EQ((*store)->fetched().from_coordinator, StageBytes());
}

TEST_F(PeersTest, APeerThatDoesNotHaveItYetIsAskedAgain) {
  int times = 0;
  const TensorFetch plain = Fetch();
  const TensorFetch late = [&](const std::string& source, const std::string& sha256,
                               uint64_t offset, const ByteSink& sink) {
    if (++times < 3) return absl::AbortedError("not here yet");
    return plain(source, sha256, offset, sink);
  };
  const auto store = GatherFrom({{"a:1", late}});
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_THAT(asked_, Each(StrEq("a:1")));
}

TEST_F(PeersTest, WhatIsThereIsOnTheShelf) {
  TensorShelf shelf;
  shelf.Expect({tensors_[0].sha256});
  EXPECT_EQ(shelf.Find(tensors_[0].sha256).status().code(), absl::StatusCode::kAborted);
  {
    const auto store = ShardStore::Gather(
        tensors_, {.model_paths = {}, .cache_directory = cache_, .shelf = &shelf},
        [&, plain = Fetch()](const std::string&, const std::string& sha256, uint64_t offset,
                             const ByteSink& sink) { return plain("", sha256, offset, sink); },
        [] { return false; });
    ASSERT_TRUE(store.ok()) << store.status();
  }
  for (const TensorRef& tensor : tensors_) {
    const absl::StatusOr<TensorView> view = shelf.Find(tensor.sha256);
    ASSERT_TRUE(view.ok()) << view.status();
    EXPECT_EQ(Sha256Hex(view->data), tensor.sha256);
  }
  EXPECT_EQ(shelf.Find("../secret").status().code(), absl::StatusCode::kNotFound);
}

// --- Who fetches from whom ---

TEST(FanOutTest, OnlyTheFirstFetchesFromTheCoordinator) {
  const TensorRef shared{.info = {}, .sha256 = "s"};
  std::vector<std::vector<TensorRef>> wanted(5, {shared});
  wanted[2].push_back({.info = {}, .sha256 = "own"});
  const auto fill = [&](const FanOut& fan_out) {
    std::vector<std::vector<TensorRef>*> pointers;
    for (std::vector<TensorRef>& tensors : wanted) pointers.push_back(&tensors);
    fan_out.FillPeers({"w0", "w1", "w2", "w3", "w4"}, pointers);
  };
  FanOut fan_out;
  fill(fan_out);
  EXPECT_THAT(wanted[0][0].peers, IsEmpty());
  EXPECT_THAT(wanted[1][0].peers, ::testing::ElementsAre("w0"));
  EXPECT_THAT(wanted[2][0].peers, ::testing::ElementsAre("w0"));
  EXPECT_THAT(wanted[3][0].peers, ::testing::ElementsAre("w1", "w0"));
  EXPECT_THAT(wanted[4][0].peers, ::testing::ElementsAre("w1", "w0"));
  EXPECT_THAT(wanted[2][1].peers, IsEmpty());

  fan_out.Hold("w4", {shared});
  fill(fan_out);
  EXPECT_THAT(wanted[0][0].peers, ::testing::ElementsAre("w4"));
  fan_out.Forget("w4");
  wanted[0][0].peers.clear();
  fill(fan_out);
  EXPECT_THAT(wanted[0][0].peers, IsEmpty());
}

}  // namespace
}  // namespace tern
